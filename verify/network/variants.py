"""Variants of SGD at one minimum of a network: the threshold of each by its linearised family, and real runs on both sides of it.

A variant is an entry of `VARIANTS`: an optimiser at step size 1, what momentum means, a schedule, and how far theorems reach; another one is one more entry.
Exponents are estimates in nats per step: Monte Carlo of `Problem.lyapunov` where the optimiser has a class there, else linear runs (Nesterov's method, with
blocks [[(1 + beta) S, -beta S], [I, 0]], S = I - (eta/B) sum_(i in S) K E_i E_i^T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from ..exact import InputError
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled, is_full_batch, with_step_size
from ..result import Exponent, as_float
from ..threshold import Threshold
from .cocycle import linear_course
from .descent import Descent, ball
from .draws import Indices, draws
from .linear_exponent import NEGLIGIBLE, linear_exponent, linear_threshold, range_projector
from .minimum import RESOLUTION, NetworkMinimum
from .model import Floats
from .schedules import Schedule, cosine, first, warm_up, warm_up_cosine

T1 = "theorem T1 (under H1-H3)"
T2 = "theorem T2 (under H1-H3 and regularity)"
T2_TAIL = "theorem T2 for the constant tail (under H1-H3 at every step size and regularity at the last)"
BATCHES = "extension: the steps are independent and fix w*, but T2 is stated for one sample per step"
EPOCHS = "extension: epochs, not steps, are independent; T2 is stated for independent samples"
HEAVY_BALL = "extension: the state is (w_n, w_(n-1)), and no analogue of T2 is published for it"
NESTEROV = "extension: the gradient is taken ahead of w_n, and no analogue of T2 is published for it"
OUTPUTS = "extension: T2 is stated for one output per sample"

FLOOR = 5e-13
PATIENCE = 600.0  # seconds within which the steps of an exponent are made on any machine


@dataclass(frozen=True)
class Variant:
    """`optimiser` at step size 1; `nesterov` says what its momentum means; a `schedule` gives multiples of the step size, and `status` what is theorem."""

    name: str
    optimiser: Optimiser
    status: str
    nesterov: bool = False
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Raises `InputError` for weight decay: then w* is no fixed point and there is nothing to converge to."""
        if self.optimiser.weight_decay:
            raise InputError(
                f"{self.name}: with weight decay w* is no fixed point of the steps, so T2 does not apply and no run converges to it; `stationary` has its law"
            )

    def at(self, step_size: Fraction) -> Optimiser:
        """The optimiser at a step size (the last one of a schedule)."""
        return with_step_size(self.optimiser, step_size)

    def fits(self, size: int) -> bool:
        """Whether the batches fit N = `size` samples."""
        batch = getattr(self.optimiser, "batch", 1)
        return batch <= size and not (isinstance(self.optimiser, Reshuffled) and size % batch)


VARIANTS = [
    Variant("SGD", SGD(1), T2),
    *(Variant(f"batch {b}, with replacement", SGD(1, b), BATCHES) for b in (2, 4)),
    *(Variant(f"batch {b}, without replacement", SGD(1, b, False), BATCHES) for b in (2, 4)),
    Variant("epochs", Reshuffled(1), EPOCHS),
    *(Variant(f"epochs, batch {b}", Reshuffled(1, b), EPOCHS) for b in (2, 4)),
    Variant("full batch", GradientDescent(1), T1),
    *(Variant(f"heavy ball {beta}", SGD(1, momentum=beta), HEAVY_BALL) for beta in ("1/2", "9/10")),
    Variant("heavy ball 9/10, epochs", Reshuffled(1, momentum="9/10"), HEAVY_BALL),
    *(Variant(f"Nesterov {beta}", SGD(1, momentum=beta), NESTEROV, True) for beta in ("1/2", "9/10")),
    Variant("Nesterov 9/10, epochs", Reshuffled(1, momentum="9/10"), NESTEROV, True),
    Variant("warm-up", SGD(1), T2_TAIL, schedule=warm_up(500)),
    Variant("cosine from 3/2", SGD(1), T2_TAIL, schedule=cosine(100, 1.5)),
    Variant("warm-up to 3/2, cosine", SGD(1), T2_TAIL, schedule=warm_up_cosine(100, 1.5)),
    Variant("starts at 1/2", SGD(1), T2_TAIL, schedule=first(500, 0.5)),
]


@dataclass(frozen=True)
class Outcome:
    """Real runs at `factor` times the threshold, with `exponent` lambda there.

    The fraction `near` converged near w*, `left` left the neighbourhood instead, the rest did neither. `rate` +- `error` (one standard error) is the growth of
    log rms per step over the linear regime, without its first quarter and without the steps at which a schedule still moves (nan where nothing is left).
    `difference` is the median distance of log rms from the linear run on the same samples at the end of the linear regime.
    """

    factor: float
    step_size: Fraction
    exponent: Exponent
    near: float
    left: float
    rate: float
    error: float
    difference: float
    steps: int


@dataclass(frozen=True)
class Row:
    """One variant: eta* = `step_size` +- `half_width` with the confidence of `threshold`, and runs at multiples of `step_size`."""

    name: str
    status: str
    threshold: Threshold
    outcomes: tuple[Outcome, ...]

    @property
    def step_size(self) -> float:
        """The middle of the bracket of eta*."""
        return as_float(self.threshold.lo + self.threshold.hi) / 2

    @property
    def half_width(self) -> float:
        """Half of the bracket's width."""
        return as_float(self.threshold.width) / 2


@dataclass(frozen=True)
class Experiment:
    """`runs` runs from the distance `radius` of a minimum, each until rms of all residuals has been below `end` or above `far`, for at most `steps` steps.

    Residuals are carried (`descent`): there is no floor of double precision, which would hold runs that lambda drives away, and `end` lies far below it. A run
    that ends within `near` times `radius` has converged near w*. `window` is the linear regime in rms, `every` the steps between two records, `sampled` the
    Monte Carlo steps of an exponent and of a threshold. Everything is a function of the arguments, however fast the machine is.
    Where K is singular residuals are not carried (rounding outside of its range would never decay), and `end` is at least 5e-13, the floor of doubles.
    """

    minimum: NetworkMinimum
    runs: int = 32
    radius: float = 1e-5
    steps: int = 20_000
    seed: int = 0
    end: float = 1e-18
    far: float = 1e-2
    window: tuple[float, float] = (1e-14, 1e-4)
    near: float = 30.0
    every: int = 24
    sampled: int = 1_000_000

    @cached_property
    def _nesterov(self) -> Descent:
        m = self.minimum
        return Descent.of(m.network, m.targets, SGD(1, momentum="1/2"), m.loss, nesterov=True)

    @cached_property
    def _singular(self) -> bool:
        kappa = np.linalg.eigvalsh(self.minimum.gram)
        return not kappa[0] > NEGLIGIBLE * kappa[-1]

    @property
    def _end(self) -> float:
        return max(self.end, FLOOR) if self._singular else self.end

    def exponent(self, variant: Variant, step_size: Fraction) -> Exponent:
        """lambda at the step size (the last one of a schedule), an estimate over `sampled` steps."""
        optimiser = self._checked(variant).at(step_size)
        if variant.nesterov:
            m = self.minimum
            return linear_exponent(m.gram, m.theory(optimiser), outputs=m.network.outputs, nesterov=True, steps=self.sampled, seed=self.seed)
        return self.minimum.problem(optimiser).lyapunov(seed=self.seed, sampling={"steps": self.sampled, "time_limit": PATIENCE})

    def threshold(self, variant: Variant, **options: Any) -> Threshold:
        """The sign change of lambda that is found, by simulation, in the optimiser's own step size: from linear runs of `sampled` steps together.

        With `options`, or for a singular K, by `NetworkMinimum.threshold`, whose `time_limit` is wall time; there is no such search for Nesterov's method.
        """
        m, optimiser = self.minimum, self._checked(variant).optimiser
        if (options or is_full_batch(optimiser, m.network.size) or self._singular) and not variant.nesterov:
            return m.threshold(optimiser, **options)
        return linear_threshold(m, optimiser, RESOLUTION, nesterov=variant.nesterov, steps=self.sampled, seed=self.seed)

    def row(self, variant: Variant, factors: Sequence[float] = (0.9, 0.97, 1.03, 1.1), **options: Any) -> Row:
        """The threshold eta* (see `threshold`), and runs at multiples of the middle of its bracket."""
        many = self.minimum.network.outputs > 1 and variant.status in (T2, T2_TAIL)
        row = Row(variant.name, OUTPUTS if many else variant.status, self.threshold(variant, **options), ())
        return replace(row, outcomes=tuple(self.outcome(variant, short(f * row.step_size), f) for f in factors))

    def outcome(self, variant: Variant, step_size: Fraction, factor: float = float("nan")) -> Outcome:
        """Runs at one step size. Raises `InputError` where none of them starts in the linear regime."""
        logs, linear, distance, settled = self.course(variant, step_size)
        low, high = np.log(self.window)
        outside = (logs <= low) | (logs >= high)
        end = np.where(outside.any(0), outside.argmax(0), len(logs) - 1)  # first record outside: a stopping time, so that Wald's identity holds
        if not (end > 1).any():
            raise InputError(f"radius = {self.radius} starts the runs outside of residuals from {low:.3g} to {high:.3g}, or they cross them at once")
        begin = max(int(np.median(end)) // 4, settled)
        used, here = end > max(begin, 1), np.arange(logs.shape[1])
        gain, time = (logs[end, here] - logs[begin])[used], (end - begin)[used] * float(self.every)
        rate = gain.sum() / time.sum() if used.any() else np.nan
        error = (gain - rate * time).std() / np.sqrt(len(time)) / time.mean() if used.any() else np.nan
        apart = np.abs(logs - linear)[np.maximum(end - 1, 0), here]
        near = (logs <= np.log(self._end)).any(0) & (distance <= self.near * self.radius)
        left = ~near & (logs > np.log(self.far)).any(0)
        steps, exponent = (len(logs) - 1) * self.every, self.exponent(variant, step_size)
        difference = float(np.median(apart[end > 1]))
        return Outcome(factor, step_size, exponent, float(near.mean()), float(left.mean()), float(rate), float(error), difference, steps)

    def course(self, variant: Variant, step_size: Fraction) -> tuple[Floats, Floats, Floats, int]:
        """log rms of the real runs and of the linear ones on the same samples, (records, runs), the distances from w* in the end, and the record at which the
        step size has become constant. Runs that are no longer finite count as infinitely far away."""
        m, optimiser = self.minimum, self._checked(variant).at(step_size)
        descent = self._nesterov.at(optimiser) if variant.nesterov else m.descent(optimiser)
        rng = np.random.default_rng(self.seed)
        start = ball(m.w, self.radius, self.runs, rng)
        residuals = descent.residuals(start).reshape(self.runs, -1)
        logs, indices, state = [0.5 * np.log((residuals**2).mean(1))[None]], list[Indices](), descent.start(start, carried=not self._singular)
        piece = self.every * m.network.size * max(1, 1000 // (self.every * m.network.size))  # whole epochs
        n = np.arange(-(-self.steps // piece) * piece)
        scale = np.ones(len(n)) if variant.schedule is None else np.asarray(variant.schedule(n), dtype=float)
        for first_step in n[::piece]:
            indices.append(draws(optimiser, m.network.size, piece, self.runs, rng))
            state, found = descent.moved(state, indices[-1], self.every, scale[first_step : first_step + piece])
            logs.append(np.nan_to_num(found, nan=np.inf))
            seen = np.vstack(logs)
            if ((seen <= np.log(self._end)).any(0) | (seen > np.log(self.far)).any(0)).all():
                break
        samples = np.concatenate(indices)
        options: dict[str, Any] = {"outputs": m.network.outputs, "nesterov": variant.nesterov, "scale": scale[: len(samples)]}
        linear = linear_course(m.gram, m.theory(optimiser), residuals @ range_projector(m.gram), samples, self.every, **options)
        distance = np.linalg.norm(np.nan_to_num(np.asarray(state.w), nan=np.inf) - m.w, axis=1)
        moving = np.flatnonzero(scale != scale[-1])
        return seen, linear, distance, -(-int(moving[-1] + 1) // self.every) if len(moving) else 0

    def _checked(self, variant: Variant) -> Variant:
        if not variant.fits(self.minimum.network.size):
            raise InputError(f"{variant.name}: the batches do not fit N = {self.minimum.network.size} samples; leave it out (`Variant.fits`)")
        return variant


def short(x: float) -> Fraction:
    """A short decimal near x: step sizes are exact."""
    return Fraction(f"{x:.7g}")
