"""Nonlinear SGD from starts ever closer to a minimum: which fraction ends near it, where the others end, and lambda there.

T2 is about r -> 0: if lambda(x*) < 0, limits fall into every neighbourhood of x* with positive probability, and in the linear regime the fraction of starts
within r of x* whose limit stays within a fixed distance tends to 1; if lambda(x*) > 0, no limit falls near x*. T2': lambda <= 0 at every limit.
All runs are in double precision. A run counts as ended when its largest residual is below 1e-12 of the labels' scale and no weight has moved by more than
1e-7 in the last tenth of its steps, or as soon as the residual is below 1e-14 of that scale. Since such a run may have been caught by round-off at a minimum
that it would leave, every limit where lambda looks positive is run on with 60 digits and dropped if it leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError, rational
from ..optimiser import GradientDescent, Optimiser, Reshuffled, checked_for
from ..result import Estimate, Exponent, Sign, as_float
from .dynamics import chances, partial_sums
from .model import SymbolicModel

Floats = NDArray[np.float64]
ENDED, CAUGHT, MOVED = 1e-12, 1e-14, 1e-7
SMALLEST_RADIUS = 1e-8
FAR = 1e8
DIGITS = 60


@dataclass(frozen=True)
class Rung:
    """Starts uniform in the ball of `radius` around x*: how many ended within `near` of x*, elsewhere, ran away, or had not ended after the steps given."""

    radius: float
    starts: int
    near: int
    elsewhere: int
    away: int
    unsettled: int
    interval: tuple[float, float]

    @property
    def fraction(self) -> float:
        """near / starts."""
        return self.near / self.starts


@dataclass(frozen=True)
class Limit:
    """Where a run ended, and lambda of the optimiser there (K measured at the point, rounded to 1e-12 where that is possible and then certified)."""

    point: tuple[float, ...]
    distance: float
    radius: float
    exponent: Exponent

    @property
    def sign(self) -> Sign:
        """The certified sign for the rounded K, else the sign that the estimate favours, else undecided."""
        return self.exponent.likely if isinstance(self.exponent, Estimate) else self.exponent.sign


@dataclass(frozen=True)
class LadderResult:
    """The rungs, from the largest radius to the smallest; some of the limits with lambda there; how many limits were dropped because exact runs left them."""

    rungs: tuple[Rung, ...]
    limits: tuple[Limit, ...]
    dropped: int
    near: float
    confidence: float
    steps: int
    seed: int

    @property
    def consistent(self) -> bool | None:
        """T2' on the limits that were examined: False if lambda > 0 at one, True if lambda < 0 or = 0 at all and there is one; None if nothing can be said."""
        signs = [limit.sign for limit in self.limits]
        if Sign.POSITIVE in signs:
            return False
        return True if signs and Sign.UNDECIDED not in signs else None

    def lines(self) -> list[tuple[str, str]]:
        """A label and words for each rung."""
        lines = []
        for rung in self.rungs:
            lo, hi = rung.interval
            text = f"{rung.near} of {rung.starts} end within {self.near:g} of x* ([{lo:.3g}, {hi:.3g}] at {100 * self.confidence:g} %)"
            lines.append((f"r = {rung.radius:g}", f"{text}, {rung.elsewhere} elsewhere, {rung.away} run away, {rung.unsettled} had not ended"))
        return lines

    @property
    def t2_prime(self) -> str:
        """T2' in words."""
        words = {True: "lambda <= 0 at every limit that was examined", False: "refuted here: lambda > 0 at a limit", None: "undecided: no limit or no sign"}
        return words[self.consistent] + (f"; {self.dropped} runs that round-off had caught went on and left" if self.dropped else "")

    def __str__(self) -> str:
        return "\n".join(f"{label}: {text}" for label, text in [*self.lines(), ("T2'", self.t2_prime)])

    def to_json(self) -> dict[str, Any]:
        """Stable keys, see JSON.md."""
        rungs = [{**rung.__dict__, "interval": list(rung.interval), "fraction": rung.fraction} for rung in self.rungs]
        limits = [
            {"point": list(x.point), "distance": x.distance, "radius": x.radius, "lambda": x.exponent.to_json(), "sign": x.sign.value} for x in self.limits
        ]
        rest = {name: getattr(self, name) for name in ("dropped", "near", "confidence", "steps", "seed")}
        return {"rungs": rungs, "limits": limits, **rest, "t2_prime": self.consistent}


def radius_ladder(
    model: SymbolicModel,
    optimiser: Optimiser,
    radii: Sequence[Any] = ("1/10", "1/100", "1/1000", "1/10000"),
    starts: int = 100,
    steps: int = 5000,
    seed: int = 0,
    *,
    near: Any = None,
    confidence: float = 0.99,
    limits: int = 12,
    progress: Callable[[str], None] | None = None,
) -> LadderResult:
    """Run `starts` starts from each radius for at most `steps` steps. `near`: the distance that counts as near x* (default: the largest radius).

    The intervals of the fractions are exact (Clopper, Pearson 1934), at `confidence` each. `limits`: at how many of the limits lambda is computed. A function
    of its arguments. Raises `InputError` for arguments out of range.
    """
    if not optimiser.plain or isinstance(optimiser, Reshuffled):
        raise InputError("models are run with plain SGD or gradient descent; leave momentum, weight decay and reshuffled epochs out")
    optimiser = checked_for(optimiser, model.problem(optimiser).exact[0])
    sizes = _radii(radii)
    for name, value, most in (("starts", starts, 100_000), ("steps", steps, 10_000_000), ("limits", limits, 1000)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise InputError(f"{name} = {value!r} is not an integer from 1 to {most}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence = {confidence!r} is not between 0 and 1")
    reach = _size(near, "near") if near is not None else sizes[0]
    rng = np.random.default_rng([seed, 13])
    origins = np.repeat(np.array(sizes), starts)
    w = model.start[:, None] + _ball(len(model.parameters), origins, rng)
    ended, away = run(model, optimiser, w, steps, rng, progress)
    distance = np.linalg.norm(w - model.start[:, None], axis=0)
    chosen = np.flatnonzero(ended)
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(limits, len(chosen))).round().astype(int))] if len(chosen) else chosen
    found: list[Limit] = []
    dropped = 0
    for k in chosen:
        if progress:
            progress(f"lambda at the limits: {len(found)} of {len(chosen)}")
        limit = Limit(tuple(map(float, w[:, k])), float(distance[k]), float(origins[k]), _exponent(model, w[:, k], optimiser, seed))
        if limit.sign is Sign.POSITIVE and leaves(model, optimiser, w[:, k], seed):
            ended[k] = False
            dropped += 1
        else:
            found.append(limit)
    rungs = []
    for size in sizes:
        own = origins == size
        counts = (own & ended & (distance <= reach)), (own & ended & (distance > reach)), own & away
        inside, outside, far = (int(c.sum()) for c in counts)
        rungs.append(Rung(size, starts, inside, outside, far, starts - inside - outside - far, binomial(inside, starts, 1 - confidence)))
    return LadderResult(tuple(rungs), tuple(found), dropped, reach, confidence, steps, seed)


def run(
    model: SymbolicModel, optimiser: Optimiser, w: Floats, steps: int, rng: np.random.Generator, progress: Callable[[str], None] | None = None
) -> tuple[Any, Any]:
    """Move the columns of w (D, M) in place; two masks: which runs have ended at a minimum, which ran away (those are left where they were last finite)."""
    labels, size = model.arrays[1], model.size
    scale = 1.0 + float(np.abs(labels).max())
    active = np.arange(w.shape[1])
    ended, away = np.zeros(w.shape[1], bool), np.zeros(w.shape[1], bool)
    full = isinstance(optimiser, GradientDescent)
    rate = as_float(optimiser.step_size) / (size if isinstance(optimiser, GradientDescent) else optimiser.batch)
    cumulative = partial_sums(chances(optimiser, size))
    reference, late = w.copy(), steps - steps // 10
    check = max(1, min(200, steps // 10))
    with np.errstate(all="ignore"):
        for n in range(steps):
            if not active.size:
                break
            x = w[:, active]
            moved = x.copy()
            for samples in [np.full(active.size, i) for i in range(size)] if full else _draws(optimiser, size, cumulative, active.size, rng):
                value, *gradient = model.values(x, samples)
                error = rate * (value - labels[samples])
                moved -= np.stack([np.broadcast_to(g, error.shape) * error for g in gradient])
            w[:, active] = moved
            if n == late:
                reference = w.copy()
            if (n + 1) % check == 0 or n == steps - 1:
                gone = ~(np.linalg.norm(moved, axis=0) < FAR)
                caught = np.abs(model.residuals(moved)).max(axis=0) < CAUGHT * scale
                away[active[gone]], ended[active[caught]] = True, True
                active = active[~gone & ~caught]
                if progress:
                    progress(f"step {n + 1} of {steps}: {active.size} of {w.shape[1]} runs are under way")
        if active.size:
            small = np.abs(model.residuals(w[:, active])).max(axis=0) < ENDED * scale
            still = np.abs(w[:, active] - reference[:, active]).max(axis=0) < MOVED
            ended[active[small & still]] = True
    return ended, away


def leaves(model: SymbolicModel, optimiser: Optimiser, w: Floats, seed: int, steps: int = 20_000) -> bool:
    """Whether the run goes on from the point w to residuals 1e3 times above the float floor, in 60 digits."""
    start = max(float(np.abs(model.residuals(w[:, None])).max()), 1e-16)
    return any(size > 1e3 * max(start, ENDED) for size in precise_run(model, optimiser, [float(x) for x in w], steps, seed, DIGITS, every=20))


def precise_run(model: SymbolicModel, optimiser: Optimiser, start: Sequence[Any], steps: int, seed: int, digits: int, every: int = 1) -> Any:
    """An iterator of the largest |F(w_n, y_i) - z_i| after every `every` steps, w_0 = `start`, in mpmath numbers of so many digits (round to nearest)."""
    import mpmath

    rng = np.random.default_rng([seed, 17])
    size = model.size
    function = model.precise()
    cumulative = partial_sums(chances(optimiser, size))
    with mpmath.workdps(digits):
        labels = [mpmath.mpf(z.evalf(digits + 10)) if not z.is_Rational else mpmath.mpf(int(z.p)) / int(z.q) for z in model.labels]
        inputs = [[mpmath.mpf(str(x.evalf(digits + 10))) for x in row] for row in model.data]
        rate = mpmath.mpf(optimiser.step_size.numerator) / optimiser.step_size.denominator
        w = [mpmath.mpf(str(x.evalf(digits + 10))) if hasattr(x, "evalf") else mpmath.mpf(x) for x in start]
    for n in range(1, steps + 1):
        full = isinstance(optimiser, GradientDescent)
        batch = list(range(size)) if full else [int(s[0]) for s in _draws(optimiser, size, cumulative, 1, rng)]
        with mpmath.workdps(digits):
            moved = list(w)
            for i in batch:
                value, *gradient = function(*w, *inputs[i])
                error = rate / len(batch) * (value - labels[i])
                moved = [x - error * g for x, g in zip(moved, gradient, strict=True)]
            w = moved
            if n % every == 0:
                yield max(abs(function(*w, *y)[0] - z) for y, z in zip(inputs, labels, strict=True))


def binomial(hits: int, count: int, error: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a probability, error probability `error` in both tails together."""
    from scipy.special import betaincinv

    low = float(betaincinv(hits, count - hits + 1, error / 2)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - error / 2)) if hits < count else 1.0
    return low, high


def _draws(optimiser: Optimiser, size: int, cumulative: Floats, count: int, rng: np.random.Generator) -> list[Any]:
    """For each place of the batch the samples (count,) drawn there."""
    batch = int(getattr(optimiser, "batch", 1))
    if batch > 1 and not getattr(optimiser, "replacement", True):
        return list(rng.permuted(np.tile(np.arange(size), (count, 1)), axis=1)[:, :batch].T)
    return list(np.minimum(np.searchsorted(cumulative, rng.random((batch, count)), side="right"), size - 1))


def _ball(dimension: int, radii: Floats, rng: np.random.Generator) -> Floats:
    """One uniform point of the ball of each radius: (dimension, len(radii))."""
    v = rng.standard_normal((dimension, len(radii)))
    return np.asarray(v / np.linalg.norm(v, axis=0) * radii * rng.random(len(radii)) ** (1 / dimension))


def _exponent(model: SymbolicModel, w: Floats, optimiser: Optimiser, seed: int) -> Exponent:
    measured = model.problem_at(w, optimiser)
    try:
        return measured.rationalised("1e-12").lyapunov(time_limit=1.0, seed=seed)
    except InputError:  # a nearly singular K that rounding made indefinite
        return measured.lyapunov(time_limit=0.5, seed=seed)


def _radii(radii: Any) -> list[float]:
    if isinstance(radii, str) or not isinstance(radii, Sequence) or not radii:
        raise InputError(f"radii = {radii!r} is not a nonempty sequence of positive numbers; write for example [\"1/10\", \"1/100\"]")
    return sorted({_size(r, f"radii[{i}]") for i, r in enumerate(radii)}, reverse=True)


def _size(value: Any, name: str) -> float:
    number = float(value) if isinstance(value, float) else as_float(rational(value, name))
    if not (math.isfinite(number) and number >= SMALLEST_RADIUS):
        raise InputError(f"{name} = {value} is not at least {SMALLEST_RADIUS:g}: below that double precision cannot tell a start from the minimum")
    return number
