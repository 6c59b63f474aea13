"""The sequential test behind a verdict: independent replicas of the log growth, sizes fixed in advance, one error probability for all looks.

Look s = 0, 1, ... starts M_s fresh replicas x_0 = v, v uniform on the unit sphere of R^d, moves each by n_s steps with draws of its own (n_s and M_s double
from look to look) and spends alpha / ((s + 1)(s + 2)) of the error probability, half of it on each verdict.

"converges" (lambda < 0). X = (1/n) log|A^n v|. Since |A^n v| >= ||A^n|| |<u, v>| for a unit vector u that depends on A^n alone, and E log|<u, v>| = -kappa_d,
    lambda <= (1/n) E log||A^n|| <= E X + kappa_d / n <= E max(X, t) + kappa_d / n,      kappa_d = (psi(d/2) - psi(1/2)) / 2
(Furstenberg, Kesten 1960: the first bound holds for every n). max(X, t) lies in [t, high] almost surely, so the empirical Bernstein bound of Maurer and
Pontil (2009, Theorem 4) is a true bound for every sample size. Assumed: independent draws, and nothing else.

"diverges" (lambda > 0). No finite sample bounds lambda from below without an assumption on how fast the direction forgets its start. G = growth per step in
(n/2, n], G' the same in (n/4, n/2]. The test asks for E min(G, t) > 0, by the same bound (by Student's where a step may be singular, so that G has no
lower bound; then the rarest step must have come up often, and in one dimension nothing is concluded), and for E[4 G - 3 G'] > 0 by Student's. Assumed
besides independence: the growth per step approaches lambda at least as fast as n^(-1/2), so that E G - lambda <= 3 max(0, E G' - E G); that is what the
second condition allows for.

Round-off. There is none in exact arithmetic and balls. In doubles it can matter: it feeds a direction that lags more than 37 nats behind, which the true
product would have lost, and a family with invariant subspaces then seems to grow. So the deciding look is run once more, same draws, with states rounded to
single precision after every step (a floor of 17 nats instead of 37). Assumed: what the rounding to double does to the mean growth is at most what that change
did; it is taken off both bounds.

The truncation t is set by earlier, independent replicas. Where lambda is so close to 0 that no affordable look can decide, the answer is "undecided".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .dynamics import Part

Floats = NDArray[np.float64]
Verdict = Literal["converges", "diverges", "undecided"]
CONFIDENCE = 0.99
# No bound is taken to be sharper than the round-off of a step, per dimension.
ROUNDING = 1e-14
SEEN_OFTEN = 200


@dataclass(frozen=True)
class Growth:
    """Replicas of one part, each array (M,) in nats per step: the mean growth over the whole run, over (n/4, n/2] and over (n/2, n]."""

    whole: Floats
    before: Floats
    after: Floats


# (part, number of replicas, horizon n, seed) to their growth; -inf where a vector became zero.
Replicate = Callable[[Part, int, int, int], Growth]


@dataclass(frozen=True)
class Plan:
    """Sizes of the first look; a fixed horizon doubles only the number of replicas."""

    replicas: int
    horizon: int
    fixed_horizon: bool = False
    looks: int = 16

    def at(self, look: int) -> tuple[int, int]:
        """(M, n) of a look."""
        return self.replicas << look, self.horizon << (0 if self.fixed_horizon else look)


@dataclass(frozen=True)
class Evidence:
    """What the looks showed. `rate` +- `half_width` is an estimate of lambda from the last look, with confidence 0.99. `zero`: a vector became exactly zero."""

    verdict: Verdict
    reason: str
    rate: float
    half_width: float
    horizon: int
    replicas: int
    total_steps: int
    looks: int
    zero: bool = False


def kappa(dimension: int) -> float:
    """-E log|v_1| for v uniform on the unit sphere of R^d: v_1^2 ~ Beta(1/2, (d - 1)/2)."""
    from scipy.special import digamma

    return float(digamma(dimension / 2) - digamma(0.5)) / 2


def bernstein(values: Floats, width: float, delta: float) -> float:
    """With probability 1 - delta the true mean of independent values in an interval of this width exceeds their mean by at most this (Maurer, Pontil 2009)."""
    count, log = len(values), math.log(2 / delta)
    return math.sqrt(2 * float(values.var(ddof=1)) * log / count) + 7 * width * log / (3 * (count - 1))


def student(values: Floats, delta: float) -> float:
    """The same for normal values, without bounds: one-sided."""
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 1 - delta)) * float(values.std(ddof=1)) / math.sqrt(len(values))


def decide(
    parts: list[Part],
    replicate: Replicate,
    plan: Plan,
    alpha: float,
    deadline: float,
    seed: int,
    say: Callable[[str], None] | None = None,
    *,
    coarse: Replicate | None = None,
) -> Evidence:
    """Look until one verdict is reached, no affordable look can reach one, or the time is up (`deadline` of `perf_counter`).

    `coarse`: the same replicas with coarser rounding; None where there is no rounding.
    """
    pilots = [replicate(part, 64, plan.at(0)[1], _mixed(seed, 0, k)) for k, part in enumerate(parts)]
    total = 64 * plan.at(0)[1] * len(parts)
    evidence = Evidence("undecided", "the time was up before the first look", *_rate(pilots), plan.at(0)[1], 64, total, 0)
    if any(_vanished(growth) for growth in pilots):
        return _zero(evidence)
    for look in range(plan.looks):
        replicas, horizon = plan.at(look)
        if say:
            say(f"look {look + 1}: {replicas} replicas of {horizon} steps; so far lambda = {evidence.rate:.3g} +- {evidence.half_width:.1g}")
        delta = alpha / ((look + 1) * (look + 2)) / 2
        start = perf_counter()
        growths = [replicate(part, replicas, horizon, _mixed(seed, look + 1, k)) for k, part in enumerate(parts)]
        cost = perf_counter() - start
        total += replicas * horizon * len(parts)
        uppers = [_upper(part, growth, pilot, horizon, delta) for part, growth, pilot in zip(parts, growths, pilots, strict=True)]
        drawn = replicas * horizon // 2
        lowers = [_lower(part, growth, pilot, drawn, delta / len(parts)) for part, growth, pilot in zip(parts, growths, pilots, strict=True)]
        if coarse is not None and (max(uppers) < 0 or max(lowers) > 0):
            again = [coarse(part, replicas, horizon, _mixed(seed, look + 1, k)) for k, part in enumerate(parts)]
            effects = [_rounding(growth, other, delta) for growth, other in zip(growths, again, strict=True)]
            uppers = [upper + effect for upper, effect in zip(uppers, effects, strict=True)]
            lowers = [lower - effect for lower, effect in zip(lowers, effects, strict=True)]
        verdict: Verdict = "converges" if max(uppers) < 0 else "diverges" if max(lowers) > 0 else "undecided"
        reason = _words(verdict, max(uppers), max(lowers), horizon, replicas)
        evidence = Evidence(verdict, reason, *_rate(growths), horizon, replicas, total, look + 1)
        if any(_vanished(growth) for growth in growths):
            return _zero(evidence)
        if verdict != "undecided":
            return evidence
        pilots = growths
        left, factor = deadline - perf_counter(), 2 if plan.fixed_horizon else 4
        if factor * cost > left:
            return _unfinished(evidence, "the next look does not fit into the time limit")
        shrink = 1 / math.sqrt(factor) ** int(math.log(max(1.0, left / max(cost, 1e-9)), factor))
        bias = 0.0 if not plan.fixed_horizon else max(kappa(part.dimension) for part in parts) / horizon
        means = [float(growth.whole.mean()) for growth in growths]
        widths = [upper - mean - bias for upper, mean in zip(uppers, means, strict=True)]
        after = [float(growth.after.mean()) for growth in growths]
        hopeful = max(m + bias + shrink * w for m, w in zip(means, widths, strict=True)) < 0
        hopeful |= max(m - shrink * (m - low) for m, low in zip(after, lowers, strict=True)) > 0
        if not hopeful:
            return _unfinished(evidence, "lambda is too close to 0 for the looks that fit into the time limit")
    return evidence


def _words(verdict: Verdict, upper: float, lower: float, horizon: int, replicas: int) -> str:
    size = f"{replicas} independent replicas of {horizon} steps"
    if verdict == "converges":
        return f"{size}: lambda <= {upper:.4g} (empirical Bernstein bound of the mean log growth, valid for every sample size)"
    if verdict == "diverges":
        return f"{size}: lambda >= {lower:.4g} (mean log growth after burn-in; its remaining drift is assumed to decay at least like n^(-1/2))"
    return f"{size}: the bounds {lower:.4g} and {upper:.4g} leave the sign of lambda open"


def _unfinished(evidence: Evidence, why: str) -> Evidence:
    return Evidence(**{**evidence.__dict__, "reason": f"{evidence.reason}; {why}"})


def _zero(evidence: Evidence) -> Evidence:
    reason = "a replica became exactly zero, and no product of steps was exhibited that is exactly zero: no evidence by itself"
    return Evidence(**{**evidence.__dict__, "verdict": "undecided", "reason": reason, "zero": True})


def _vanished(growth: Growth) -> bool:
    return not bool(np.all(np.isfinite(growth.whole)) and np.all(np.isfinite(growth.after)))


def _spread(values: Floats) -> float:
    return float(values.max() - values.min()) + 1e-9


def _upper(part: Part, growth: Growth, pilot: Growth, horizon: int, delta: float) -> float:
    """Upper confidence bound of lambda."""
    cut = max(part.low, float(pilot.whole.min()) - _spread(pilot.whole))
    high = max(part.high, cut)
    values = np.clip(growth.whole, cut, high)
    return float(values.mean()) + bernstein(values, high - cut, delta) + kappa(part.dimension) / horizon + ROUNDING * part.dimension


def _lower(part: Part, growth: Growth, pilot: Growth, drawn: int, delta: float) -> float:
    """Lower confidence bound of the growth after the burn-in, less what may be left of the start; `drawn` steps lie after it.

    A singular step can outweigh all others however rare it is, so nothing is concluded before the rarest step has come up often.
    """
    if part.low == -math.inf and (part.dimension == 1 or drawn * _rarest(part) < SEEN_OFTEN):
        return -math.inf
    cut = min(part.high, float(pilot.after.max()) + _spread(pilot.after))
    values = np.minimum(growth.after, cut)
    margin = student(values, delta) if part.low == -math.inf else bernstein(np.maximum(values, part.low), max(0.0, cut - part.low), delta)
    drifted = 4 * growth.after - 3 * growth.before
    return min(float(values.mean()) - margin, float(drifted.mean()) - student(drifted, delta)) - ROUNDING * part.dimension


def _rarest(part: Part) -> float:
    """The probability of the rarest batch, up to the number of its orders."""
    return float(np.diff(part.cumulative, prepend=0.0).min()) ** part.batch


def _rounding(growth: Growth, coarse: Growth, delta: float) -> float:
    """A bound of what coarser rounding did to the mean growth, from pairs with the same draws; infinite where the coarse run left its range."""
    if _vanished(coarse):
        return math.inf
    effects = []
    for fine, rough in ((growth.whole, coarse.whole), (growth.after, coarse.after)):
        change = rough - fine
        effects.append(abs(float(change.mean())) + student(change, delta))
    return max(effects)


def _rate(growths: list[Growth]) -> tuple[float, float]:
    """(estimate, half-width) of the largest exponent, from the growth over (n/4, n], widened by the part of its drift that noise does not explain."""
    ends = []
    for growth in growths:
        if _vanished(growth):
            ends.append((-math.inf, -math.inf))
            continue
        values, change = (growth.before + 2 * growth.after) / 3, growth.after - growth.before
        drift = max(0.0, abs(float(change.mean())) - 2 * float(change.std(ddof=1)) / math.sqrt(len(change)))
        half = student(values, (1 - CONFIDENCE) / 2 / len(growths)) + drift + 1e-15
        ends.append((float(values.mean()) - half, float(values.mean()) + half))
    low, high = max(e[0] for e in ends), max(e[1] for e in ends)
    return (-math.inf, 0.0) if high == -math.inf else ((low + high) / 2, (high - low) / 2)


def _mixed(seed: int, look: int, part: int) -> int:
    """A seed of its own for every look and part."""
    return int(np.random.SeedSequence([seed, look, part]).generate_state(1, np.uint64)[0])
