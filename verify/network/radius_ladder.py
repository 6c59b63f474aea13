"""Real SGD from starts ever closer to a minimum of a network: which fraction ends near it, where the others end, the rate, and lambda in each case.

The results are those of `simulate.ladder`, which does this for small symbolic models. T2 is about the radius going to zero: if lambda < 0 the fraction that
ends within a fixed distance tends to 1, if lambda > 0 it is 0 for almost every start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..exact import InputError, positive
from ..optimiser import Optimiser, epoch_length, with_step_size
from ..result import Estimate, Exponent, as_float
from ..simulate.ladder import LadderResult, Rung, binomial
from .arguments import integer, number, seeded
from .descent import ball, checked_samples
from .draws import draws
from .fates import PIECE, run_to_end
from .kernel import Kernel
from .limits import limit_points
from .minimum import NetworkMinimum, checked_minimum
from .step_sizes import step_sizes

LINEAR, LOWEST = 1e-4, -300.0
FACTORS = ("0.7", "0.9", "0.97", "1.03", "1.1", "1.5")


@dataclass(frozen=True)
class Rate:
    """Growth of log rms per step of real runs near the minimum, floor-free, with its standard error; and lambda of K, which it should be.

    `relaxed`: whether the slowest mode (eta kappa_min / N), or lambda, had a factor e to act before the counting. Where not, faster modes bias `value` down.
    """

    value: float
    error: float
    exponent: Exponent
    radius: float
    runs: int
    steps: int
    relaxed: bool

    @property
    def deviation(self) -> float:
        """(measured - lambda) in standard errors, those of the estimate of lambda included (its half-width counts as two)."""
        assert isinstance(self.exponent, Estimate)
        return (self.value - self.exponent.value) / float(np.hypot(self.error, self.exponent.half_width / 2))


@dataclass(frozen=True)
class NetworkLadder(LadderResult):
    """A `LadderResult` of `optimiser`, with `exponent`: lambda at the minimum. `dropped` counts ends in doubles that floor-free runs left (they went on)."""

    optimiser: Optimiser
    exponent: Exponent

    def to_json(self) -> dict[str, Any]:
        """As for `LadderResult`, with "step_size" and "lambda", and without the points of the limits."""
        found = super().to_json()
        limits = [{key: x for key, x in limit.items() if key != "point"} for limit in found["limits"]]
        return {**found, "limits": limits, "step_size": str(self.optimiser.step_size), "lambda": self.exponent.to_json()}


def radius_ladder(
    minimum: NetworkMinimum,
    optimiser: Optimiser,
    radii: Sequence[float] = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
    starts: int = 96,
    steps: int = 20_000,
    seed: int = 0,
    *,
    near: float | None = None,
    confidence: float = 0.99,
    limits: int = 12,
    progress: Callable[[str], None] | None = None,
) -> NetworkLadder:
    """Run `starts` runs from each distance of `radii` (uniform directions in R^D) until they end (`fates`), for at most `steps` steps.

    `near`: the distance that counts as near the minimum (default: ten times the largest radius). Just above a threshold there are stable minima close by, at
    a distance of the order of lambda: `near` must be smaller to tell. The intervals of the fractions are exact (Clopper, Pearson 1934), at `confidence` each.
    `limits`: at how many of the ends, spread over all rungs, lambda is estimated. Raises `InputError` for arguments out of range and for weight decay.
    """
    sizes, reach = _checked(minimum, optimiser, radii, near, seed)
    for name, value, least in (("starts", starts, 1), ("steps", steps, 1), ("limits", limits, 0)):
        integer(name, value, least)
    number("confidence", confidence, 0, 1)
    if not minimum.residual <= 1e-3 * sizes[-1]:
        raise InputError(f"the residual at the minimum is {minimum.residual:.2g}, too large for starts at {sizes[-1]:.2g}: polish it with `interpolate`")
    descent, rng = minimum.descent(optimiser), np.random.default_rng([seed, 29])
    rungs, ends, origins, dropped = [], [], [], 0
    for size in sizes:
        fates = run_to_end(descent, ball(minimum.w, size, starts, rng), steps, int(rng.integers(2**31)), progress)
        inside = np.linalg.norm(fates.w - minimum.w, axis=1) <= reach
        counts = fates.ended & inside, fates.ended & ~inside, fates.away
        close, elsewhere, away = (int(c.sum()) for c in counts)
        rungs.append(Rung(size, starts, close, elsewhere, away, starts - close - elsewhere - away, binomial(close, starts, 1 - confidence)))
        ends.append(fates.w[fates.ended])
        origins += [size] * len(ends[-1])
        dropped += fates.released
    chosen = np.unique(np.linspace(0, len(origins) - 1, min(limits, len(origins))).round().astype(int)) if origins else np.zeros(0, int)
    found = limit_points(minimum, optimiser, np.concatenate(ends)[chosen], np.array(origins)[chosen], confidence=confidence, seed=seed)
    exponent = minimum.problem(optimiser).lyapunov(time_limit=2.0, confidence=confidence, seed=seed)
    return NetworkLadder(tuple(rungs), found, dropped, reach, confidence, steps, seed, optimiser, exponent)


def threshold_ladders(
    minimum: NetworkMinimum, optimiser: Optimiser, factors: Sequence[Any] = FACTORS, thresholds: Sequence[str] = ("sgd",), **options: Any
) -> dict[tuple[str, str], NetworkLadder]:
    """`radius_ladder` at the multiples `factors` (exact: "0.9") of thresholds: "sgd" for eta*, "mean_square" for eta_ms, "gd" for 2N/kappa_max.

    Keys are (threshold, factor). Thresholds that do not apply or were not found are left out. `options` are those of `radius_ladder`.
    """
    network, loss = minimum.network, minimum.loss
    found = step_sizes(Kernel.of(minimum.gram, network.outputs, network.parameters), optimiser, loss)
    ladders = {}
    for name in thresholds:
        value = getattr(found, name, None)
        if value is None:
            raise InputError(f"thresholds has {name!r}; write some of {', '.join(vars(found))}")
        if value.lo is not None and value.hi is not None:
            own = loss.factor(network.outputs, network.size) / minimum.factor(optimiser) if name == "gd" else Fraction(1)
            middle = Fraction((value.lo + value.hi) / 2) * own
            for factor in factors:
                at = with_step_size(optimiser, (positive(factor, "factors") * middle).limit_denominator(10**9))
                ladders[name, str(factor)] = radius_ladder(minimum, at, **options)
    return ladders


def measured_rate(minimum: NetworkMinimum, optimiser: Optimiser, radius: float = 1e-12, runs: int = 96, steps: int | None = None, seed: int = 0) -> Rate:
    """The rate of real runs with carried residuals from the distance `radius`, after the first quarter of the steps (default: 1000, or 15 / lambda if fewer).

    A run is followed until its residuals are above 1e-4 (where nonlinearity begins) or below 1e-130. value = (sum of growths) / (sum of steps) over the runs,
    to which Wald's identity applies: stopping does not bias it, up to O(1/steps) from the direction at the stop. Raises `InputError` as `radius_ladder` does.
    """
    _checked(minimum, optimiser, (radius,), None, seed)
    exponent = minimum.problem(optimiser).lyapunov(width="1e-4", time_limit=2.0, seed=seed)
    if steps is None:
        steps = int(max(4 * PIECE, min(1000.0, 15 / max(exponent.value, 1e-3)))) if isinstance(exponent, Estimate) else 1000
    integer("runs", runs, 2)
    integer("steps", steps, 4 * PIECE)
    descent, rng = minimum.descent(optimiser), np.random.default_rng([seed, 31])
    length = epoch_length(optimiser, minimum.network.size)
    piece = -(-PIECE // length) * length
    state, logs = descent.start(ball(minimum.w, radius, runs, rng), carried=True), []
    for _ in range(-(-steps // piece)):
        state, log = descent.moved(state, draws(optimiser, minimum.network.size, piece, runs, rng), piece)
        logs.append(log[0])
    course, burn = np.array(logs), len(logs) // 4
    top = np.log(LINEAR * (1 + np.abs(minimum.targets).max()))
    out = ~((course > LOWEST) & (course < top))
    last = np.where(out.any(0), out.argmax(0), len(course) - 1)
    growth = np.where(last > burn, course[last, np.arange(runs)] - course[burn], 0.0)
    spent = np.where(last > burn, last - burn, 0) * piece
    if not spent.any() or not np.isfinite(growth).all():
        raise InputError(f"radius = {radius:g}: within {burn * piece} steps the runs leave the range where a rate can be read; change the radius or the steps")
    rate = float(growth.sum() / spent.sum())
    error = float(np.sqrt(((growth - rate * spent) ** 2).sum()) / spent.sum())
    slowest = float(np.linalg.eigvalsh(minimum.gram)[0]) * as_float(minimum.theory(optimiser).step_size) / minimum.network.size
    relaxed = burn * piece * max(slowest, exponent.value if isinstance(exponent, Estimate) else 0.0) >= 1
    return Rate(rate, error, exponent, radius, runs, len(course) * piece, relaxed)


def _checked(minimum: NetworkMinimum, optimiser: Optimiser, radii: Any, near: float | None, seed: int) -> tuple[list[float], float]:
    checked_samples(optimiser, checked_minimum(minimum).network.size)
    seeded(seed)
    if optimiser.weight_decay:
        raise InputError(f"weight_decay = {optimiser.weight_decay}: with it the minimum is no fixed point and runs do not end there; set it to 0")
    if isinstance(radii, str) or not isinstance(radii, Sequence) or not radii:
        raise InputError(f"radii = {radii!r} is not a nonempty sequence of positive numbers; write for example (1e-3, 1e-5)")
    for name, value in (*((f"radii[{i}]", r) for i, r in enumerate(radii)), *([("near", near)] if near is not None else [])):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-14 <= value < 1e8:
            raise InputError(f"{name} = {value!r} is not a number from 1e-14 to 1e8")
    return sorted({float(r) for r in radii}, reverse=True), 10.0 * max(radii) if near is None else float(near)
