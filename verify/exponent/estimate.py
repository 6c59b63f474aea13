"""Monte Carlo as the last resort of the engine: an `Estimate` with its confidence, never a proof.

Slow modes (small kappa_j) decay too slowly to be seen: lambda is then close to zero and the interval contains it. Where the step size is so small that no step
expands (E5), or below the mean-square threshold (E11), lambda < 0 nevertheless; the interval then ends below zero and the reason says why.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from ..family import MatrixFamily
from ..measured import DENSE, extreme_eigenvalues, float_data
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled, is_full_batch
from ..result import Attempt, Estimate, as_float

if TYPE_CHECKING:
    from .montecarlo import GrowthEstimate

# Floating-point eigenvalues and norms are trusted to this relative accuracy.
ACCURACY = 1e-9
MAX_MEAN_SQUARE = 2000  # the N x N form of the mean-square threshold


def estimated(
    minimum: Minimum | MeasuredMinimum | None,
    optimiser: Optimiser | None,
    matrices: MatrixFamily | None,
    *,
    reason: str,
    tried: list[Attempt],
    half_width: float | None = None,
    precision: str | None = None,
    moments: bool = False,
    **options: Any,
) -> Estimate:
    """lambda by simulation, until the half-width or another limit is reached; the `options` are the fields of `Sampling`.

    With `moments` an interval that contains zero is cut there if E5 or E11 say that lambda < 0; without, the result rests on the simulation alone.
    """
    from . import montecarlo

    options |= {"target_half_width": half_width} if half_width is not None else {}
    if matrices is not None:
        import numpy as np

        if not matrices.matrices:
            return Estimate("every step is the identity", reason, 0.0, 0.0, options.get("confidence", 0.99), tried=tuple(tried))
        steps, p = matrices.as_floats()
        if p.sum() < 1:
            steps, p = np.concatenate([steps, np.eye(matrices.dimension)[None]]), np.append(p, 1 - p.sum())
        return _estimate(montecarlo.family_growth(steps, p, **options), reason, tried)
    assert minimum is not None
    assert optimiser is not None
    plain = optimiser.plain and minimum.outputs == 1
    large = isinstance(minimum, MeasuredMinimum) and minimum.size > DENSE
    if is_full_batch(optimiser, minimum.size) and (large or not plain):
        return replace(estimated_mu(minimum, optimiser), confidence=options.get("confidence", 0.99), tried=tuple(tried))
    if not plain or isinstance(optimiser, Reshuffled):
        problem = montecarlo.DescentProblem.build(minimum, optimiser)
        return _estimate(montecarlo.descent_growth(problem, as_float(optimiser.step_size), **options), reason, tried)
    if isinstance(optimiser, GradientDescent):
        scheme: dict[str, Any] = {"batch": minimum.size, "replacement": False}
    else:
        weights = None if optimiser.weights is None else [as_float(w) for w in optimiser.weights]
        scheme = {"batch": optimiser.batch, "replacement": optimiser.replacement, "weights": weights}
    eta, scheme = as_float(optimiser.step_size), scheme | {"precision": precision}
    data, features = float_data(minimum)
    growth = (montecarlo.features_growth if features else montecarlo.sgd_growth)(data, eta, **scheme, **options)
    found = _estimate(growth, reason, tried)
    why = _negative_because(minimum, optimiser) if moments and growth.sign == 0 and isinstance(optimiser, SGD) else ""
    return _below_zero(found, why) if why else found


def _estimate(growth: GrowthEstimate, reason: str, tried: list[Attempt]) -> Estimate:
    value = growth.value if math.isfinite(growth.value) else -math.inf
    reason = "; ".join(filter(None, (reason, growth.note)))
    return Estimate("Monte Carlo", reason, value, growth.half_width, growth.confidence, tried=tuple(tried))


def _negative_because(minimum: Minimum | MeasuredMinimum, optimiser: SGD) -> str:
    """Why lambda < 0 whatever the simulation could resolve, by floating-point numbers; empty if not known. Plain SGD with one output."""
    eta, largest = as_float(optimiser.step_size), as_float(max(minimum.diagonal))  # type: ignore[arg-type]
    if eta * largest < 2 * (1 - ACCURACY):
        return f"lambda < 0 since every eta K_ii is at most {eta * largest:.6g} < 2 (E5)"
    if optimiser.batch > 1 or minimum.size > MAX_MEAN_SQUARE:
        return ""
    from ..problem import Problem
    from ..threshold.mean_square import mean_square_threshold

    measured = MeasuredMinimum(minimum.gram_floats(), 0.0) if isinstance(minimum, Minimum) else minimum
    found = mean_square_threshold(Problem(measured, optimiser))
    if found is None or not optimiser.step_size < found.lo:
        return ""
    return f"lambda < 0 since the step size is below the mean-square threshold, {as_float(found.lo):.9g} (E11)"


def _below_zero(found: Estimate, why: str) -> Estimate:
    """The part of the interval of a simulation below zero, where a moment or a norm says that lambda is."""
    reason = "; ".join(filter(None, (found.reason, f"{why}; the simulation alone does not tell")))
    low = found.value - found.half_width
    if math.isinf(low):
        return replace(found, reason=reason)
    return replace(found, value=low / 2, half_width=math.nextafter(-low / 2, 0.0), reason=reason)


def estimated_mu(minimum: Minimum | MeasuredMinimum, optimiser: Optimiser) -> Estimate:
    """mu from the floating-point eigenvalues of K (relative accuracy about 1e-12, stated as the half-width), with momentum and weight decay.

    Of measured K of more than 2048 dimensions only the largest eigenvalue is computed, and bounds of the smallest: the half-width says what that leaves open.
    """
    import numpy as np

    method = "floating-point eigenvalues"
    reason = "K is measured, not exact" if isinstance(minimum, MeasuredMinimum) else "K is large"
    eta, beta, omega = as_float(optimiser.step_size), as_float(optimiser.momentum), as_float(optimiser.weight_decay)

    def exponent(kappa: Any) -> float:
        with np.errstate(over="ignore"):
            x = float(np.abs(1 + beta - eta * (omega + kappa / minimum.size)).max())
        if x > 1e300:
            raise InputError(f"step_size = {eta:.3g} times the largest eigenvalue of K is beyond the range of floating point; give a smaller one")
        with np.errstate(divide="ignore"):
            discriminant = 1 - (2 * math.sqrt(beta) / x) ** 2 if x > 0 else 0.0  # relative to x^2, which may overflow
            return float(np.log(max(math.sqrt(beta), x * (1 + math.sqrt(max(0.0, discriminant))) / 2)))

    kappa = _eigenvalues(minimum)
    if isinstance(kappa, tuple):
        smallest, largest, error = kappa
        low = max(exponent(np.array([largest - error])), exponent(np.array([smallest])))
        low, top = low - ACCURACY * (1 + abs(low)), exponent(np.array([largest + error]))
        high = max(top + ACCURACY * (1 + abs(top)), -math.ulp(0.0))  # mu is about the nonzero eigenvalues, each of which contracts if the largest does
        note = "" if high - low < 1e-6 else "; the smallest eigenvalue of K, on which mu depends, is only bounded"
        half = (high - low) / 2
        return Estimate(method, reason + note, (low + high) / 2, half if high > 0 else math.nextafter(half, 0.0), 1.0)
    value = exponent(kappa)
    if value == -math.inf:  # zero up to round-off
        return Estimate(method, "mu is below this value", -30.0, 10.0, 0.99)
    return Estimate(method, reason, value, ACCURACY * (1 + abs(value)), 1.0)


def largest_eigenvalue(minimum: Minimum | MeasuredMinimum) -> tuple[float, float]:
    """(kappa_max, its error) in floating point."""
    kappa = _eigenvalues(minimum)
    return (kappa[1], kappa[2]) if isinstance(kappa, tuple) else (float(kappa[-1]), 1e-12 * float(kappa[-1]))


def _eigenvalues(minimum: Minimum | MeasuredMinimum) -> Any:
    """The nonzero eigenvalues of K, or where there are too many (upper bound of the smallest, the largest, its error)."""
    import numpy as np

    data, features = float_data(minimum)
    if features:
        x = data if len(data) <= data.shape[1] else data.T  # K, or X^T X, which has the same nonzero eigenvalues
        if len(x) > DENSE:
            return extreme_eigenvalues(lambda v: x @ (x.T @ v), len(x))
        data = np.asarray(x @ x.T, dtype=float)
    elif len(data) > DENSE and isinstance(minimum, MeasuredMinimum):
        return extreme_eigenvalues(lambda v: data @ v, len(data))
    kappa = np.linalg.eigvalsh(data)
    return kappa[kappa > 1e-12 * kappa[-1]]
