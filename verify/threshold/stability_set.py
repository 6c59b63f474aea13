"""The set {eta > 0 : lambda(eta) < 0}, as ranges of step sizes in each of which one proof holds for every step size (S6), and the gaps that are left.

From both ends inwards: (0, a] by E5, E7 or the eigenvalues of K, [b, infinity) by E4, E7 or the eigenvalues, what ms < 0 gives (E11), and in between the
largest open interval again and again: the sign at a step size inside it is proved, and the proof, loosened, is tried on the widest ranges around it that
the checker accepts. The set need not be an interval (E6'').
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

from ..certificate import Certificate, Proof, Rejected, check, claim, seal
from ..exact import InputError
from ..exponent.question import Question
from ..optimiser import Reshuffled, is_full_batch
from ..problem import Problem
from ..result import Sign, as_float
from .loosened import accepted, sign_proofs
from .mean_square import mean_square_threshold, short_decimal
from .range_proof import range_proof

SHRINKS = 9  # how often a range around a proved step size is halved before it is given up
MAX_CLAIMS = 900  # of one certificate
RELATIONS = {"<": Sign.NEGATIVE, ">": Sign.POSITIVE}


@dataclass(frozen=True)
class StepRange:
    """lambda has this sign for every step size in [lo, hi]; lo = 0 stands for (0, hi], hi None for [lo, infinity)."""

    lo: Fraction
    hi: Fraction | None
    sign: Sign

    def __str__(self) -> str:
        left = "(0" if self.lo == 0 else f"[{as_float(self.lo):.12g}"
        return f"lambda {'<' if self.sign is Sign.NEGATIVE else '>'} 0 on {left}, {'infinity)' if self.hi is None else f'{as_float(self.hi):.12g}]'}"


@dataclass(frozen=True)
class StabilitySet:
    """Certified ranges of step sizes in ascending order, neighbours of one sign joined; `gaps` are undecided."""

    ranges: tuple[StepRange, ...]
    width: Fraction
    reason: str
    certificates: tuple[Certificate, ...] = field(repr=False)

    @property
    def gaps(self) -> tuple[tuple[Fraction, Fraction | None], ...]:
        """The open intervals between the ranges, where nothing is proved."""
        ends = [(Fraction(0), Fraction(0)), *((r.lo, r.hi) for r in self.ranges)]
        inner = [(hi, lo) for (_, hi), (lo, _) in pairwise(ends) if hi is not None and hi < lo]
        last = ends[-1][1]
        return (*inner, *(((last, None),) if last is not None else ()))

    @property
    def complete(self) -> bool:
        """Whether every gap is at most `width` long."""
        return all(hi is not None and hi - lo <= self.width for lo, hi in self.gaps)

    @property
    def first(self) -> tuple[Fraction, Fraction] | None:
        """(a, b) with lambda < 0 on all of (0, a] and lambda > 0 at b, the start of the next range: the first sign change lies between them."""
        if len(self.ranges) < 2 or self.ranges[0].lo or self.ranges[0].sign is not Sign.NEGATIVE or self.ranges[1].sign is not Sign.POSITIVE:
            return None
        assert self.ranges[0].hi is not None
        return self.ranges[0].hi, self.ranges[1].lo

    @property
    def is_interval(self) -> bool | None:
        """Whether {lambda < 0} is an interval (0, eta*): False if lambda < 0 above some lambda > 0, True if one gap (of at most `width`) is left, else None."""
        signs = [r.sign for r in self.ranges]
        if any(s is Sign.NEGATIVE and Sign.POSITIVE in signs[:i] for i, s in enumerate(signs)):
            return False
        return True if self.complete and len(self.gaps) == 1 and signs == [Sign.NEGATIVE, Sign.POSITIVE] else None

    def sign(self, step_size: Any) -> Sign:
        """The certified sign of lambda at a step size."""
        from ..exact import positive

        eta = positive(step_size, "step_size")
        return next((r.sign for r in self.ranges if r.lo <= eta and (r.hi is None or eta <= r.hi)), Sign.UNDECIDED)

    def to_json(self) -> dict[str, Any]:
        """Stable keys: ranges (lo, hi, sign), gaps, width, complete, is_interval, first, reason."""

        def spelled(end: Fraction | None) -> str:
            return "inf" if end is None else str(end)

        return {
            "ranges": [{"lo": str(r.lo), "hi": spelled(r.hi), "sign": r.sign.value} for r in self.ranges],
            "gaps": [[str(lo), spelled(hi)] for lo, hi in self.gaps],
            "width": str(self.width),
            "complete": self.complete,
            "is_interval": self.is_interval,
            "first": None if self.first is None else [str(x) for x in self.first],
            "reason": self.reason,
        }

    def __str__(self) -> str:
        return "; ".join(map(str, self.ranges)) or "nothing is proved"


def stability_set(problem: Problem, width: Fraction, *, time_limit: float = 60.0, progress: Callable[[str], None] | None = None) -> StabilitySet:
    """Certified ranges of step sizes for the problem's optimiser (its own step size is ignored), until no gap is longer than `width` or time is up.

    Raises `InputError` for bare matrices, measured kernels and reshuffled epochs (whose products are not affine in the step size).
    """
    if problem.optimiser is None:
        raise InputError("a set of step sizes needs an optimiser with a step size; a family of bare matrices has none")
    if isinstance(problem.optimiser, Reshuffled):
        raise InputError("ranges of step sizes are not proved for reshuffled epochs, which are not affine in the step size; ask for one threshold instead")
    _ = problem.exact  # refuses a measured K
    cover = _Cover(problem, width, time.monotonic() + time_limit, progress)
    cover.run()
    return StabilitySet(cover.joined(), width, cover.reason, _certificates(cover.statements()))


@dataclass(frozen=True)
class _Piece:
    lo: Fraction
    hi: Fraction | None
    relation: str
    proof: Proof


class _Cover:
    """The pieces that are proved so far and the open intervals between them."""

    def __init__(self, problem: Problem, width: Fraction, deadline: float, progress: Callable[[str], None] | None) -> None:
        self.problem, self.width, self.deadline, self.progress = problem, width, deadline, progress
        self.subject = problem.at(1).subject
        self.pieces: list[_Piece] = []
        self.dimension = Question(*problem.exact).dimension
        self.reason = ""

    def run(self) -> None:
        start, end = self.from_zero(), self.to_infinity()
        start = max(start, self.mean_square(start))
        if end is None:
            self.reason = "no proof of lambda > 0 for all large step sizes is known for this optimiser"
            end = max(4 * start, 8 / max(self.problem.exact[0].diagonal))
        if start == 0:
            self.reason = "no proof of lambda < 0 for all small step sizes is known for this optimiser"
            start = self.width / 2
        self.between(start, end)

    def tried(self, lo: Fraction, hi: Fraction | None, relation: str, proof: Proof) -> bool:
        """Add the piece if the checker accepts it."""
        step_size = [str(lo), "inf" if hi is None else str(hi)]
        if not accepted(self.subject | {"step_size": step_size}, relation, proof):
            return False
        self.pieces.append(_Piece(lo, hi, relation, proof))
        return True

    def _elementary(self, upper: bool) -> list[Proof]:
        minimum, optimiser = self.problem.exact
        kinds = ["nonexpansive", "equal-norms"] if upper else ["determinant", "equal-norms"]
        return [{"kind": kind} for kind in kinds] + ([{"kind": "gd", "radius": "1"}] if is_full_batch(optimiser, minimum.size) else [])

    def from_zero(self) -> Fraction:
        """a with lambda < 0 on (0, a]; 0 where none of the facts gives one."""
        trace = sum(self.problem.exact[0].diagonal, start=Fraction(0))
        return self.outermost(self._elementary(True), "<", Fraction(1) / trace, lambda eta: (Fraction(0), eta), Fraction(2)) or Fraction(0)

    def to_infinity(self) -> Fraction | None:
        """b with lambda > 0 on [b, infinity)."""
        least = min(k for k in self.problem.exact[0].diagonal if k)
        return self.outermost(self._elementary(False), ">", 4 / least, lambda eta: (eta, None), Fraction(1, 2))

    def outermost(
        self, proofs: list[Proof], relation: str, inside: Fraction, ends: Callable[[Fraction], tuple[Fraction, Fraction | None]], factor: Fraction
    ) -> Fraction | None:
        """The furthest end, from `inside` on in the direction of `factor`, up to which one of the proofs holds (bisection of the checker's answer)."""
        best: tuple[Fraction, Proof] | None = None
        for proof in proofs:

            def holds(eta: Fraction, proof: Proof = proof) -> bool:
                lo, hi = ends(eta)
                return accepted(self.subject | {"step_size": [str(lo), "inf" if hi is None else str(hi)]}, relation, proof)

            start = next((eta for eta in (inside, inside / factor**4, inside / factor**12) if holds(eta)), None)
            if start is None:
                continue
            good, bad = start, start * factor
            while holds(bad):
                good, bad = bad, bad * factor
            while abs(bad - good) > self.width / 4:
                middle = short_decimal((good + bad) / 2, abs(bad - good) / (4 * max(good, bad)), factor > 1)
                good, bad = (middle, bad) if holds(middle) else (good, middle)
            if best is None or (good > best[0]) == (factor > 1):
                best = good, proof
        if best is None:
            return None
        self.tried(*ends(best[0]), relation, best[1])
        return best[0]

    def mean_square(self, start: Fraction) -> Fraction:
        """The end of a range from `start` on in which one quadratic form contracts in the mean (E11); `start` if there is none."""
        found = mean_square_threshold(self.problem) if start else None
        if found is None or found.lo <= start:
            return start
        end = short_decimal(found.lo * (1 - Fraction(1, 10**4)), Fraction(1, 10**5), False)
        if end <= start:
            return start
        result = self.problem.at(end).mean_square()
        done = any(relation == "<" and self.tried(start, end, relation, proof) for relation, proof in sign_proofs(result, None))
        return end if done else start

    def between(self, start: Fraction, end: Fraction) -> None:
        """Cover (start, end), the longest open interval first."""
        heap: list[tuple[Fraction, Fraction, Fraction, int]] = []
        total, left = end - start, start
        for a, b in [*self.singular(start, end), (end, end)]:
            heapq.heappush(heap, (left - a, left, a, 0))
            left = b
        while heap and -heap[0][0] > self.width / 2:  # two neighbours may stay open, around a zero between them
            if time.monotonic() > self.deadline:
                self.reason = self.reason or "out of time"
                return
            _, lo, hi, failures = heapq.heappop(heap)
            if self.progress:
                share = as_float(sum((x[2] - x[1] for x in heap), start=hi - lo) / total)
                self.progress(f"{len(self.pieces)} ranges, {100 * share:.3g} % open, working at {as_float(lo):.6g}")
            small = hi - lo < total / 100
            covered = self.around(lo, hi) if small or self.dimension > 2 else None
            if covered is None or covered[1] - covered[0] < (hi - lo) / 8:
                covered = (lo, hi) if self.whole(lo, hi) else covered
            if covered is None:
                middle = short_decimal((lo + hi) / 2, (hi - lo) / (16 * hi), False)
                rest = [(lo, middle, failures + 1), (middle, hi, failures + 1)]
            else:
                rest = [(lo, covered[0], 0), (covered[1], hi, 0)]
            for a, b, count in rest:
                if a < b:
                    heapq.heappush(heap, (a - b, a, b, count))

    def singular(self, start: Fraction, end: Fraction) -> list[tuple[Fraction, Fraction]]:
        """Small ranges around step sizes with c_i = 1 in which words contract (upper semicontinuity at lambda = -infinity, E6''), where one is found."""
        minimum, _ = self.problem.exact
        found: list[tuple[Fraction, Fraction]] = []
        if self.dimension != 2 or minimum.rank != 2 or len(minimum.gram) != 2:
            return found
        (a, b), (_, d) = minimum.gram
        norm = [[str(x) for x in row] for row in ((d, -b), (-b, a))]  # K^-1 up to a factor: the norm of span{g_i}
        for eta in sorted({1 / k for k in minimum.diagonal}):
            for length, spread in product((6, 9), (10**4, 10**5, 10**6, 10**8)):
                lo, hi = eta * (1 - Fraction(1, spread)), eta * (1 + Fraction(1, spread))
                if start < lo and hi < end and self.tried(lo, hi, "<", {"kind": "words", "length": length, "norm": norm}):
                    found.append((lo, hi))
                    break
        return found

    def whole(self, lo: Fraction, hi: Fraction) -> bool:
        """One proof for all of [lo, hi]: an elementary fact, or cones in the plane."""
        if any(self.tried(lo, hi, ">", proof) for proof in self._elementary(False)):
            return True
        if self.dimension != 2:
            return False
        low, high = (self.problem.at(eta).family for eta in (lo, hi))
        for relation in "<>":
            proof = range_proof(low, high, relation)
            if proof is not None and self.tried(lo, hi, relation, proof):
                return True
        return False

    def around(self, lo: Fraction, hi: Fraction) -> tuple[Fraction, Fraction] | None:
        """The ends of what a proof at a step size inside (lo, hi) covers of it."""
        for share in (Fraction(1, 2), Fraction(3, 10), Fraction(7, 10)):
            centre = short_decimal(lo + share * (hi - lo), (hi - lo) / (50 * hi), False)
            if not lo < centre < hi or time.monotonic() > self.deadline:
                continue
            here = self.problem.at(centre)
            limit = min(max(1.0, (self.deadline - time.monotonic()) / 8), 10.0)
            result = here.lyapunov(time_limit=limit, estimate=False)
            for relation, proof in sign_proofs(result, here.family if here.family.dimension > 2 else None):
                right, left = (self.reach(centre, end, relation, proof) for end in (hi, lo))
                if left is None and right is None:
                    continue
                pieces = [(left or centre, right or centre)]
                if left is not None and right is not None and not self.tried(left, right, relation, proof):
                    pieces = [(left, centre), (centre, right)]
                for a, b in pieces if len(pieces) == 2 or left is None or right is None else []:
                    self.tried(a, b, relation, proof)
                return left or centre, right or centre
        return None

    def reach(self, centre: Fraction, end: Fraction, relation: str, proof: Proof) -> Fraction | None:
        """How far from the centre towards the end the proof holds."""
        for halvings in range(SHRINKS):
            far = end if not halvings else short_decimal(centre + (end - centre) / 2**halvings, abs(end - centre) / 2**halvings / (20 * centre), end < centre)
            lo, hi = min(centre, far), max(centre, far)
            if lo < hi and accepted(self.subject | {"step_size": [str(lo), str(hi)]}, relation, proof):
                return far
        return None

    def ordered(self) -> list[_Piece]:
        return sorted(self.pieces, key=lambda piece: (piece.lo, piece.hi is None, piece.hi or 0))

    def joined(self) -> tuple[StepRange, ...]:
        """The pieces as ranges, neighbours that touch and have one sign joined."""
        ranges: list[StepRange] = []
        for piece in self.ordered():
            sign = RELATIONS[piece.relation]
            last = ranges[-1] if ranges else None
            if last is not None and last.sign is sign and last.hi is not None and piece.lo <= last.hi:
                ranges[-1] = StepRange(last.lo, None if piece.hi is None else max(last.hi, piece.hi), sign)
            else:
                ranges.append(StepRange(piece.lo, piece.hi, sign))
        return tuple(ranges)

    def statements(self) -> list[tuple[dict[str, Any], Proof]]:
        return [
            (claim(self.subject | {"step_size": [str(p.lo), "inf" if p.hi is None else str(p.hi)]}, "lambda", p.relation, Fraction(0)), p.proof)
            for p in self.ordered()
        ]


def _certificates(statements: list[tuple[dict[str, Any], Proof]]) -> tuple[Certificate, ...]:
    """As few certificates as the checker's limits allow, each accepted as a whole."""
    if not statements:
        return ()
    if len(statements) <= MAX_CLAIMS:
        certificate = seal(statements)
        try:
            check(certificate)
        except (Rejected, RecursionError):
            if len(statements) == 1:
                raise
        else:
            return (certificate,)
    half = len(statements) // 2
    return (*_certificates(statements[:half]), *_certificates(statements[half:]))
