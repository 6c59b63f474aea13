"""The analysis of a network at a claimed minimum: everything that stability needs is K, the residuals, D and what is known of smoothness.

`analyse_network` takes a JAX model, `analyse_minimum` a `NetworkMinimum`, `analyse_kernel` a measured K from anywhere. All results are floating point or
statistical; proofs are in `certified`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..exact import InputError
from ..optimiser import SGD, Optimiser, full_descent, is_full_batch
from ..problem import Problem
from ..result import Estimate, Exponent, Sign, as_float
from .kernel import ROUNDING, SAFETY, Hypothesis, Kernel, Status
from .loss import Loss, loss_of
from .minimum import NetworkMinimum
from .model import Floats, Network
from .precision import jax_module
from .smoothness import Smoothness
from .step_sizes import CHAINS, FOLDS, SHORT, StepSizes, checked_options, forgets, log_determinant, step_sizes, theory_problem
from .verdict import Verdict, gradient_descent_verdict, sgd_verdict

TOLERANCE = 1e-8
FEWEST = 1000  # steps that a chain makes in any time that is given to it


class Model(Protocol):
    """What the accuracy of K is estimated with."""

    inputs: Any

    def gram(self, w: Floats) -> Floats: ...

    def pull(self, w: Floats, u: Floats) -> Floats: ...


@dataclass(frozen=True)
class Interpolation:
    """How well w interpolates: max and rms of F - z, the rms of the targets (1 where they vanish), the tolerance relative to it, |grad L(w)| of the full batch,
    and the first-order distance |J^T K^-1 (F - z)| of w from the set of exact minima."""

    largest: float
    rms: float
    scale: float
    tolerance: float
    gradient: float = float("nan")
    distance: float = float("nan")

    @classmethod
    def of(cls, residuals: Floats, targets: Floats, tolerance: float) -> Interpolation:
        """Raises `InputError` where the residual is above tolerance * scale: w is no minimum then."""
        if not isinstance(tolerance, float | int) or isinstance(tolerance, bool) or not 0 < tolerance < 1:
            raise InputError(f"tolerance = {tolerance!r} is not a number between 0 and 1; it bounds the residual relative to the targets, such as 1e-8")
        if not np.isfinite(residuals).all():
            i = int(np.argwhere(~np.isfinite(residuals))[0][0])
            raise InputError(f"F is not finite at sample {i}; the parameters are no minimum")
        size = float(np.sqrt(np.square(targets).mean()))
        found = cls(float(np.abs(residuals).max()), float(np.sqrt(np.square(residuals).mean())), size or 1.0, float(tolerance))
        if found.largest > tolerance * found.scale:
            sample, output = divmod(int(np.abs(residuals).argmax()), residuals.shape[1])
            raise InputError(
                f"the parameters are not an interpolating minimum: max |F - z| = {found.largest:.3g} (sample {sample}, output {output}) is "
                f"{found.largest / found.scale:.2g} of the targets' scale {found.scale:.3g}, above tolerance = {tolerance:g}; "
                "find a minimum with verify.network.interpolate(network, targets)"
            )
        return found

    def at(self, kernel: Kernel, residuals: Floats, factor: Fraction) -> Interpolation:
        """With the gradient of the full-batch loss, |J^T u| for u = f (F - z) / N, and the distance; both from K alone."""
        r = residuals.ravel()
        u = as_float(factor) * r / kernel.size
        newton = np.linalg.lstsq(kernel.gram, r, rcond=len(r) * kernel.accuracy)[0] if r.any() else r
        gradient, distance = (float(np.sqrt(max(0.0, float(v @ kernel.gram @ v)))) for v in (u, newton))
        return replace(self, gradient=gradient, distance=distance)


@dataclass(frozen=True)
class NetworkAnalysis:
    """What is known of a minimum under an optimiser. `print(analysis)` shows it, `to_json()` has stable keys (verify/JSON.md).

    `optimiser` and `step_sizes` are in the user's convention, `kernel` and `problem` in the theory's, whose step size is `factor` times the user's. Exponents
    are in nats per step; mu is that of gradient descent with the same step size and loss. `lambda_sign` is the sign of lambda as far as K, as measured, and the
    confidence tell, `lambda_why` the reason.
    """

    kernel: Kernel
    interpolation: Interpolation
    smoothness: Smoothness
    optimiser: Optimiser
    loss: Loss
    step_sizes: StepSizes | None
    lambda_: Exponent
    lambda_sign: Sign
    lambda_why: str
    mu: Exponent
    verdicts: tuple[Verdict, ...]
    name: str = "network"

    @property
    def gram(self) -> Floats:
        """K, (N q, N q), in the theory's convention."""
        return self.kernel.gram

    @property
    def factor(self) -> Fraction:
        """f: (the theory's step size) / (the user's)."""
        return self.loss.factor_of(self.optimiser, self.kernel.outputs, self.kernel.size)

    @cached_property
    def problem(self) -> Problem:
        """The linearised problem in the theory's convention."""
        return theory_problem(self.kernel, self.optimiser, self.loss)

    @property
    def verdict(self) -> Verdict:
        """Of the optimiser itself: T2 for SGD, T1 for gradient descent."""
        return self.verdicts[-1]

    @property
    def decided(self) -> bool:
        """Whether every verdict is stable or unstable, under the hypotheses that are named."""
        return all(verdict.decided for verdict in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        from .analysis_text import analysis_json

        return analysis_json(self)

    def __str__(self) -> str:
        from .analysis_text import analysis_sections

        return "\n\n".join(section.text() for section in analysis_sections(self))

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def analyse_network(
    f: Callable[[Any, Any], Any],
    params: Any,
    inputs: Any,
    targets: Any,
    optimiser: Optimiser,
    *,
    loss: Loss | str | None = None,
    reduction: str | None = None,
    tolerance: float = TOLERANCE,
    **options: Any,
) -> NetworkAnalysis:
    """Analyse f(params, x) -> (q,) at an interpolating minimum: a pytree `params` of float64 arrays; the first axis of `inputs` and `targets` counts samples.

    `loss` and `reduction` are the convention of the training run (see `Loss`); there is no default, as a wrong one changes every threshold. `options` are those
    of `analyse_kernel`. Raises `InputError` for bad input, and where the residual is above `tolerance` times the rms of the targets.
    """
    convention = loss_of(loss, reduction)
    checked_optimiser(optimiser)
    network = Network(f, params, inputs)
    return analyse_minimum(NetworkMinimum.of(network, network.start, targets, convention), optimiser, tolerance=tolerance, **options)


def analyse_minimum(
    minimum: NetworkMinimum, optimiser: Optimiser, *, tolerance: float = TOLERANCE, smooth: bool = False, **options: Any
) -> NetworkAnalysis:
    """As `analyse_network`, for a minimum that was found. `smooth` True: H1 is assumed, whatever the program looks like."""
    from .kinks import smoothness

    checked_optimiser(optimiser)
    checked_options(**options)
    Interpolation.of(minimum.residuals, minimum.targets, tolerance)  # before K is computed
    try:
        gram = minimum.gram
    except InputError:
        raise
    except Exception as error:  # whatever JAX finds in a user's model
        raise InputError(f"f cannot be differentiated: {type(error).__name__}: {str(error).splitlines()[0][:200]}") from None
    accuracy = gram_accuracy(minimum.network, minimum.w, gram, minimum.residuals)
    kernel = Kernel.of(gram, minimum.network.outputs, minimum.network.parameters, accuracy)
    seen = replace(smoothness(minimum.network, minimum.w, gram=gram, accuracy=accuracy), given=smooth)
    return analyse_kernel(kernel, minimum.residuals, minimum.targets, optimiser, loss=minimum.loss, smoothness=seen, tolerance=tolerance, **options)


def analyse_kernel(
    kernel: Kernel,
    residuals: Any,
    targets: Any,
    optimiser: Optimiser,
    *,
    loss: Loss,
    smoothness: Smoothness,
    tolerance: float = TOLERANCE,
    thresholds: bool = True,
    resolution: float = 1e-3,
    confidence: float = 0.99,
    time_limit: float = 5.0,
    seed: int = 0,
    name: str = "network",
) -> NetworkAnalysis:
    """The layer below: a measured K with residuals F - z and targets z, both (N, q).

    `resolution` is asked of the simulated threshold (relative), `confidence` of it and of lambda; `time_limit` (seconds) holds for each search.
    """
    checked_optimiser(optimiser)
    checked_options(resolution=resolution, confidence=confidence, time_limit=time_limit, seed=seed)
    shape = (kernel.size, kernel.outputs)
    r, z = (np.asarray(x, dtype=float).reshape(shape) for x in (residuals, targets))
    interpolation = Interpolation.of(r, z, tolerance).at(kernel, r, loss.factor(kernel.outputs, kernel.size))
    problem = theory_problem(kernel, optimiser, loss)
    theory = problem.optimiser
    assert theory is not None
    descent = theory_problem(kernel, full_descent(optimiser), loss)
    mu = descent.mu()
    assert mu is not None
    sizes = None
    if thresholds:
        sizes = step_sizes(kernel, optimiser, loss, resolution=resolution, confidence=confidence, time_limit=time_limit, seed=seed)
    smooth = smoothness.hypothesis()
    verdicts = [gradient_descent_verdict(smooth, kernel, optimiser, *_mu_sign(mu))]
    if is_full_batch(theory, kernel.size):
        lambda_: Exponent = mu if isinstance(mu, Estimate) else problem.lyapunov()
        sign, why = _mu_sign(mu)
    else:
        began = time.monotonic()
        lambda_ = problem.lyapunov(confidence=confidence, seed=seed, sampling={"steps": SHORT, "time_limit": time_limit})
        steps = SHORT / CHAINS if time.monotonic() - began < 0.9 * time_limit else FEWEST
        sign, why = _lambda_sign(kernel, problem, lambda_, steps, sizes, as_float(optimiser.step_size))
        verdicts.append(sgd_verdict(smooth, kernel, theory, sign, why))
    found = tuple(_with_dead(verdict, smoothness) for verdict in verdicts)
    return NetworkAnalysis(kernel, interpolation, smoothness, optimiser, loss, sizes, lambda_, sign, why, mu, found, name)


def gram_accuracy(network: Model, w: Floats, k: Floats, r: Floats) -> float:
    """An estimate of the relative error of K, |dK_ij| <= accuracy sqrt(K_ii K_jj): ten times the largest change seen when every parameter moves by one rounding
    in a random direction and every real input outwards by one or two (twice), and when w moves to the exact minimum nearby by a Gauss-Newton step. Not less
    than sqrt(D) 2^-53. Errors of what the model computes from integer inputs alone are not seen."""
    rng = np.random.default_rng(0)
    others = [(_rounded(network, rng), w * (1 + 2 * ROUNDING * rng.choice([-1.0, 1.0], len(w)))) for _ in range(2)]
    if r.any():
        step = np.asarray(np.linalg.lstsq(k, r.ravel(), rcond=len(k) * len(w) * ROUNDING)[0], dtype=float)
        others.append((network, np.asarray(w - network.pull(w, step.reshape(r.shape)), dtype=float)))
    norms = np.sqrt(np.where(np.diag(k) > 0, np.diag(k), 1.0))
    changes = [float((np.abs(model.gram(other) - k) / norms[:, None] / norms).max()) for model, other in others]
    return min(0.5, max(SAFETY * max(changes), float(np.sqrt(len(w))) * ROUNDING))


def _rounded(network: Model, rng: np.random.Generator) -> Model:
    """The model on inputs that are one or two roundings further from zero: whole numbers keep their integer part."""
    other = copy.copy(network)

    def moved(a: Any) -> Any:
        factor = 1 + 2 * ROUNDING * rng.integers(1, 3, a.shape)
        if hasattr(a, "new_tensor"):  # PyTorch's
            return a * a.new_tensor(factor) if a.is_floating_point() else a
        return a * factor if a.dtype.kind == "f" else a

    other.inputs = moved(network.inputs) if hasattr(network.inputs, "shape") else jax_module().tree.map(moved, network.inputs)
    return other


def checked_optimiser(optimiser: Any) -> None:
    """Raises `InputError` unless it is one."""
    if not isinstance(optimiser, Optimiser):
        raise InputError(f"optimiser = {optimiser!r:.60} is not an optimiser; write for example SGD(\"1/10\") or GradientDescent(\"1/10\")")


def _mu_sign(mu: Exponent) -> tuple[Sign, str]:
    sign = mu.likely if isinstance(mu, Estimate) else mu.sign
    return sign, "floating-point eigenvalues of K" if sign is not Sign.UNDECIDED else f"{mu}"


def _lambda_sign(kernel: Kernel, problem: Problem, found: Exponent, steps: float, sizes: StepSizes | None, eta: float) -> tuple[Sign, str]:
    """Facts about K first (they need no samples), then the simulation, of at least so many `steps` of each chain. `eta` is the user's step size."""
    theory = problem.optimiser
    assert theory is not None
    if sizes is not None:
        for size, why in ((sizes.nonexpansive, "no step expands (E5)"), (sizes.mean_square, "the second moment contracts (E11)")):
            if size.lo is not None and eta < size.lo:
                return Sign.NEGATIVE, f"{why}, in floating point"
        single = isinstance(theory, SGD) and theory.batch == 1 and theory.plain
        if single and log_determinant(kernel, theory, as_float(theory.step_size)) > kernel.margin / float(kernel.eigenvalues[-1]):
            return Sign.POSITIVE, "the sum of all Lyapunov exponents is positive (E4), in floating point"
    if isinstance(found, Estimate):
        why = f"simulation, {100 * found.confidence:g} % confidence"
        growth = (abs(found.value) - found.half_width) * steps
        if growth < FOLDS and not forgets(kernel, theory, as_float(theory.step_size), steps):
            return Sign.UNDECIDED, f"slow modes (kappa_min = {kernel.eigenvalues[0]:.3g}) do not decay within the runs, which may show their start; {why}"
        return found.likely, why if found.likely is not Sign.UNDECIDED else f"{found.value:.3g} +- {found.half_width:.1g} ({why})"
    return found.sign, str(found)


def _with_dead(verdict: Verdict, smoothness: Smoothness) -> Verdict:
    """H2 with the reason that dead units give, where every unit of an activation is inactive for every sample."""
    if not smoothness.dead:
        return verdict
    dead = f"; every unit of {smoothness.dead[0].name} (x {smoothness.dead[0].units}) is inactive for every sample, so the layers before it have no gradient"

    def told(h: Hypothesis) -> Hypothesis:
        return replace(h, reason=h.reason + dead) if h.name == "H2" and h.status is not Status.NUMERICALLY else h

    return replace(verdict, hypotheses=tuple(map(told, verdict.hypotheses)), reason=verdict.reason + (dead if not verdict.decided else ""))
