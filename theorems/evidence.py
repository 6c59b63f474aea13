"""Evidence that does not rest on the statement under test: proofs by other methods, Monte Carlo, and comparisons of both with what is claimed.

Intervals are doubles rounded outwards (-inf and inf included). Comparison is three-valued: apart, inside, or neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from verify.certificate import Certificate
from verify.exact import InputError
from verify.exponent.engine import METHODS
from verify.problem import Problem
from verify.result import Enclosure, Estimate, Exact, Exponent, Sign, outward_float

from .statement import Fact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The engine's methods that are not elementary facts: what E1 to E8 are tested against.
GENERAL = ("planar sandwich (S4, S5)", "mean square (E11)", "words")
FACTS = tuple(name for name in METHODS if name not in GENERAL)
SLACK = 1e-9  # of the double precision in which claimed values are written


@dataclass(frozen=True)
class Evidence:
    """lo <= lambda <= hi and perhaps its sign: proved if `error_probability` is 0, else wrong with at most that probability."""

    lo: float
    hi: float
    sign: Sign
    reason: str
    certificates: tuple[Certificate, ...] = field(default=(), repr=False)
    error_probability: float = 0.0

    @property
    def interval(self) -> str:
        """For messages."""
        return f"[{self.lo:.6g}, {self.hi:.6g}]"


NOTHING = Evidence(-math.inf, math.inf, Sign.UNDECIDED, "nothing is known")


def certificate_of(result: Exponent) -> tuple[Certificate, ...]:
    """The certificate of a result, if it has one."""
    certificate = getattr(result, "certificate", None)
    return () if certificate is None else (certificate,)


def enclosed(result: Exponent) -> Evidence:
    """What a result proves; nothing for an estimate."""
    if not isinstance(result, Enclosure) or result.certificate is None:
        return Evidence(-math.inf, math.inf, Sign.UNDECIDED, result.reason or str(result))
    if isinstance(result, Exact) and result.expression == "-oo":
        return Evidence(-math.inf, -math.inf, result.sign, f"exactly -infinity ({result.method})", certificate_of(result))
    low, high = outward_float(result.lo, False), outward_float(result.hi, True)
    lo, hi = -math.inf if low is None else low, math.inf if high is None else high
    return Evidence(lo, hi, result.sign, f"{result.sign.value}, in [{lo:.6g}, {hi:.6g}] ({result.method})", certificate_of(result))


def estimated(problem: Problem, seconds: float, seed: int, error_probability: float, half_width: float | None = None) -> Evidence:
    """Monte Carlo: an interval that misses lambda with at most the error probability."""
    from verify.exponent.estimate import estimated as monte_carlo

    family = problem.family if problem.matrices is not None else None
    try:
        found: Estimate = monte_carlo(
            problem.minimum, problem.optimiser, family, reason="", tried=[],
            half_width=half_width, time_limit=min(1.0, seconds), confidence=1 - error_probability, seed=seed,
        )  # fmt: skip
    except (InputError, OverflowError) as error:
        return Evidence(-math.inf, math.inf, Sign.UNDECIDED, f"no estimate: {error}")
    lo, hi = found.value - found.half_width, found.value + found.half_width
    if found.value == -math.inf:
        lo = hi = -math.inf
    return Evidence(lo, hi, found.likely, f"Monte Carlo, in [{lo:.6g}, {hi:.6g}]", error_probability=error_probability)


def long_products(matrices: NDArray[np.float64], p: NDArray[np.float64], *, seed: int, steps: int = 8_000, chains: int = 64) -> Evidence:
    """Long simulated products in mixed coordinates, for families with invariant subspaces, whose exponents may coincide.

    Then the norm is a maximum of random walks and the growth per step is biased upwards by about its own standard deviation over the chains: the interval
    allows for twice that, besides six standard errors of the mean.
    """
    import numpy as np

    rng, d = np.random.default_rng(seed), matrices.shape[1]
    s = np.array([[min(i, j) + 1.0 for j in range(d)] for i in range(d)])  # unimodular
    mixed = np.concatenate([s @ matrices @ np.linalg.inv(s), np.eye(d)[None]])
    v, growth = rng.standard_normal((chains, d)), np.zeros(chains)
    draws = rng.choice(len(mixed), size=(steps, chains), p=np.append(p, max(0.0, 1 - p.sum())))
    for k in range(steps):
        v = np.einsum("cij,cj->ci", mixed[draws[k]], v)
        size = np.abs(v).sum(axis=1)
        growth += np.log(size)
        v /= size[:, None]
    rate = growth / steps
    slack = (6 / math.sqrt(chains) + 2) * float(rate.std()) + 20 / steps
    lo, hi = float(rate.mean()) - slack, float(rate.mean()) + slack
    sign = Sign.NEGATIVE if hi < 0 else Sign.POSITIVE if lo > 0 else Sign.UNDECIDED
    return Evidence(lo, hi, sign, f"simulated products, in [{lo:.6g}, {hi:.6g}]", error_probability=1e-6)


def exponent_evidence(problem: Problem, without: Iterable[str], width: str | None, seconds: float, seed: int, error_probability: float) -> Evidence:
    """A proof by the other methods of the sign (or of an enclosure of that width), else Monte Carlo."""
    proved = enclosed(problem.lyapunov(width, estimate=False, time_limit=seconds, seed=seed, without=without))
    enough = proved.sign is not Sign.UNDECIDED if width is None else proved.hi - proved.lo <= 1.01 * float(Fraction(width)) or proved.hi == -math.inf
    if enough:
        return proved
    seen = estimated(problem, seconds, seed, error_probability, None if width is None else float(Fraction(width)) / 4)
    if width is None:
        return seen if seen.sign is not Sign.UNDECIDED else Evidence(seen.lo, seen.hi, seen.sign, f"{proved.reason}; {seen.reason}")
    lo, hi = max(proved.lo, seen.lo), min(proved.hi, seen.hi)
    if lo > hi:  # the proof stands, the sample was unlucky
        return proved
    return Evidence(lo, hi, proved.sign if proved.sign is not Sign.UNDECIDED else seen.sign, seen.reason, proved.certificates, seen.error_probability)


def sign_agrees(claimed: Sign, why: str, evidence: Evidence) -> Fact:
    """Whether the evidence confirms the claimed sign."""
    if evidence.sign is Sign.UNDECIDED:
        return Fact(None, f"claimed {claimed.value} ({why}), but nothing independent decides: {evidence.reason}")
    agree = evidence.sign is claimed
    text = f"claimed {claimed.value} ({why}); independently {evidence.reason}"
    return Fact(agree, text, evidence.certificates, evidence.error_probability)


def value_agrees(lo: float, hi: float, why: str, evidence: Evidence, tolerance: float) -> Fact:
    """Whether a claimed enclosure is compatible with the evidence and the evidence is no wider than the tolerance."""
    slack = SLACK * (1 + max((abs(x) for x in (lo, hi) if math.isfinite(x)), default=0.0))
    text = f"claimed [{lo:.6g}, {hi:.6g}] ({why}); independently {evidence.reason}"
    if lo > evidence.hi + slack or hi < evidence.lo - slack:
        return Fact(False, text, evidence.certificates, evidence.error_probability)
    if lo == hi == evidence.hi == -math.inf or max(hi, evidence.hi) - min(lo, evidence.lo) <= 2 * tolerance:
        return Fact(True, f"{text}; agreement within {tolerance:g}", evidence.certificates, evidence.error_probability)
    return Fact(None, f"{text}: compatible, but not within {tolerance:g}")


def bound_agrees(bound: float, upper: bool, why: str, evidence: Evidence) -> Fact:
    """Whether lambda <= bound (upper) or lambda >= bound, by the evidence."""
    slack = SLACK * (1 + abs(bound)) if math.isfinite(bound) else 0.0
    text = f"claimed lambda {'<=' if upper else '>='} {bound:.6g} ({why}); independently {evidence.reason}"
    broken = evidence.lo > bound + slack if upper else evidence.hi < bound - slack
    kept = evidence.hi <= bound if upper else evidence.lo >= bound
    if not broken and not kept:
        return Fact(None, f"{text}: compatible, but too wide to tell")
    return Fact(kept and not broken, text, evidence.certificates, evidence.error_probability)
