"""Three-valued judgement of a predicate on a problem (Kleene's logic): what is not proved is None, with the reason.

Comparisons without exponents are decided exactly: rational numbers, and eigenvalues of K by inertia. Comparisons with lambda, mu or ms follow from intervals
that the trusted checker has accepted, refined until they separate the two sides; the certificates of those that were used are put together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from ..certificate import Certificate
from ..exact import InputError
from ..problem import Problem
from .eigenvalues import Eigenvalues
from .evidence import Evidence, conjunction
from .interval import Interval
from .syntax import EIGENVALUES, EXPONENTS, Arithmetic, Comparison, Formula, Junction, Name, Number, Power, Term, names, parse

if TYPE_CHECKING:
    import numpy as np

    from ..search.batch import Batch

WIDTHS = (Fraction(1, 10), Fraction(1, 1000), Fraction(1, 10**5), Fraction(1, 10**7))
# Cheap conjuncts first: an exact number that fails spares the search for a proof.
COST = {"ms": 2, "mu": 1, "lambda": 3}
MAX_BITS = 100_000
Linear = dict[Name | None, Fraction]


@dataclass(frozen=True)
class Judged:
    """Whether a predicate holds, fails, or is not decided (None), why, and by what proof.

    `margin` is a proved distance from the boundary, positive where the predicate holds and negative where it fails; 0.0 if only the sign is proved, None if
    nothing is decided. `certificate` is None where everything that decided is rational arithmetic that anyone can repeat.
    """

    holds: bool | None
    margin: float | None
    reason: str
    certificate: Certificate | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Predicate:
    """A parsed predicate about problems with `points` data points. Call it (or `judge`) on a problem."""

    text: str
    points: int
    tree: Formula

    def __call__(self, problem: Problem) -> Judged:
        return self.judge(problem)

    def judge(self, problem: Problem, *, time_limit: float = 10.0, seed: int = 0) -> Judged:
        """The verdict, with the conjunction of the certificates behind it. Raises `InputError` if the problem does not have N = `points` exact gradients."""
        minimum, _ = problem.exact
        if minimum.size != self.points:
            raise InputError(f"the predicate is about {self.points} data points, the problem has {minimum.size}; parse it with points={minimum.size}")
        found = _Judge(problem, Evidence(problem, time_limit, seed)).formula(self.tree)
        return Judged(found.holds, found.margin, found.reason, conjunction(found.certificates))

    @property
    def names(self) -> set[Name]:
        """What the predicate speaks of."""
        return names(self.tree)

    @property
    def scale_free(self) -> bool:
        """Whether it sees only eta K, not K and eta apart."""
        return all(name.kind in (*EXPONENTS, "c") for name in self.names)

    @property
    def symmetric(self) -> bool:
        """Whether the order of the data points and the signs of the gradients play no part."""
        return all(name.kind not in ("c", "k") for name in self.names)

    def margins(self, batch: Batch) -> np.ndarray:
        """Floating-point margins of many problems at once, for searches: positive where the predicate seems to hold. Nothing is proved."""
        from .margins import margins

        return margins(self.tree, batch)

    def violations(self, batch: Batch) -> np.ndarray:
        """The same for its negation: positive where the predicate seems to fail."""
        from .margins import margins

        return margins(Junction("not", (self.tree,)), batch)


def parse_predicate(text: str, points: int) -> Predicate:
    """Parse a predicate about N = `points` data points; `InputError` with the position and what was expected where it is malformed."""
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise InputError(f"points = {points!r} is not a positive integer; write for example 2")
    return Predicate(text, points, parse(text, points))


@dataclass(frozen=True)
class _Verdict:
    holds: bool | None
    margin: float | None
    reason: str
    certificates: tuple[Certificate, ...] = ()


class _Judge:
    def __init__(self, problem: Problem, evidence: Evidence) -> None:
        self.evidence = evidence
        self.minimum, self.optimiser = problem.exact
        if self.minimum.outputs > 1:
            raise InputError(f"the predicate speaks of one output for each sample, the problem has {self.minimum.outputs}; leave outputs out")
        self.eigenvalues = Eigenvalues(self.minimum)

    def formula(self, tree: Formula) -> _Verdict:
        if isinstance(tree, Comparison):
            try:
                return self.comparison(tree)
            except ZeroDivisionError:
                return _Verdict(None, None, f"{spelled(tree)}: division by zero")
        if tree.operator == "not":
            inner = self.formula(tree.operands[0])
            return _Verdict(None if inner.holds is None else not inner.holds, None if inner.margin is None else -inner.margin, inner.reason, inner.certificates)
        return self.junction(tree)

    def junction(self, tree: Junction) -> _Verdict:
        """`and` stops at the first operand that fails, `or` at the first that holds; only the proofs that are needed are kept."""
        decisive = tree.operator == "or"
        open_: list[_Verdict] = []
        passed: list[_Verdict] = []
        for operand in sorted(tree.operands, key=_cost):
            found = self.formula(operand)
            if found.holds is decisive:
                return found
            (open_ if found.holds is None else passed).append(found)
        if open_:
            return _Verdict(None, None, "; ".join(one.reason for one in open_))
        known = [one.margin for one in passed if one.margin is not None]
        margin = None if len(known) < len(passed) else max(known) if decisive else min(known)
        return _Verdict(not decisive, margin, "; ".join(one.reason for one in passed), tuple(c for one in passed for c in one.certificates))

    def comparison(self, tree: Comparison) -> _Verdict:
        difference = Arithmetic("-", (tree.left, tree.right))
        linear = self.linear(difference)
        atoms = {name for name in names(difference) if name.kind in (*EXPONENTS, *EIGENVALUES)} if linear is None else {n for n in linear if n is not None}
        text = spelled(tree)
        if not atoms:
            value = linear[None] if linear is not None else self.exact(difference)
            return _settled(Interval.point(value), tree.operator, text, f"difference {value}")
        kinds = {name.kind for name in atoms}
        if not kinds & set(EXPONENTS):
            interval = self.eigenvalues.difference(difference, linear, self.exact_name)
            if interval is None:
                return _Verdict(None, None, f"{text}: the eigenvalues are too close to tell")
            return _settled(interval, tree.operator, text, "eigenvalues of K")
        return self.exponents(tree.operator, difference, linear, kinds, text)

    def exponents(self, operator: str, difference: Term, linear: Linear | None, kinds: set[str], text: str) -> _Verdict:
        """Refine the enclosures until the comparison is decided, or the widths are exhausted."""
        single = linear is not None and len(linear) == 2
        against_zero = single and linear is not None and linear[None] == 0
        widths: tuple[Fraction | None, ...] = (None,) if against_zero else (None, *WIDTHS) if single else WIDTHS
        for width in widths:
            used: list[Certificate] = []

            def look(name: Name, width: Fraction | None = width, used: list[Certificate] = used) -> Interval:
                if name.kind in EIGENVALUES:
                    return self.eigenvalues.interval(name.kind, 128)
                if name.kind not in EXPONENTS:
                    return Interval.point(self.exact_name(name))
                interval, certificate = self.evidence.interval(name.kind, width)
                if certificate is not None:
                    used.append(certificate)
                return interval

            interval = _linear_interval(linear, look) if linear is not None else _interval(difference, look)
            found = _settled(interval, operator, text, "certified")
            if found.holds is not None:
                return _Verdict(found.holds, found.margin, found.reason, tuple(used))
            if "lambda" not in kinds:
                break
        return _Verdict(None, None, f"{text}: undecided: " + "; ".join(self.evidence.why_not(kind) for kind in sorted(kinds & set(EXPONENTS))))

    def exact_name(self, name: Name) -> Fraction:
        if name.kind == "eta":
            return self.optimiser.step_size
        if name.kind == "k":
            i, j = name.indices
            return self.minimum.gram[i][j]
        (i,) = name.indices
        return self.optimiser.step_size * self.minimum.gram[i][i]

    def exact(self, term: Term) -> Fraction:
        """The value of a term without exponents and eigenvalues."""
        linear = self.linear(term)
        assert linear is not None, "a term of rational numbers folds to one"
        return linear[None]

    def linear(self, term: Term) -> Linear | None:
        """The term as a rational combination of exponents and eigenvalues (key None: the constant), or None if it is not one."""
        if isinstance(term, Number):
            return {None: term.value}
        if isinstance(term, Name):
            return {None: Fraction(0), term: Fraction(1)} if term.kind in (*EXPONENTS, *EIGENVALUES) else {None: self.exact_name(term)}
        if isinstance(term, Power):
            base = self.linear(term.base)
            if base is None or len(base) > 1:
                return base if term.exponent == 1 else None
            if abs(term.exponent) * max(base[None].numerator.bit_length(), base[None].denominator.bit_length()) > MAX_BITS:
                raise InputError(f"predicate: {spelled(term)} has more than {MAX_BITS} bits here; use smaller powers")
            return {None: base[None] ** term.exponent}
        parts = [self.linear(x) for x in term.operands]
        found = [x for x in parts if x is not None]
        if len(found) < len(parts):
            return None
        if term.operator == "abs":
            return {None: abs(found[0][None])} if len(found[0]) == 1 else None
        if term.operator == "neg":
            return {key: -x for key, x in found[0].items()}
        left, right = found
        if term.operator in "+-":
            sign = 1 if term.operator == "+" else -1
            total = {key: left.get(key, Fraction(0)) + sign * right.get(key, Fraction(0)) for key in {**left, **right}}
            return {key: x for key, x in total.items() if x or key is None}
        if len(right) > 1 and term.operator == "*":
            left, right = right, left
        if len(right) > 1:
            return None
        factor = right[None] if term.operator == "*" else 1 / right[None]
        return {key: x * factor for key, x in left.items() if x * factor or key is None}


def _linear_interval(linear: Linear, look: Callable[[Name], Interval]) -> Interval:
    total = Interval.point(linear[None])
    for name, factor in linear.items():
        if name is not None:
            total = total + look(name).scaled(factor)
    return total


def _interval(term: Term, look: Callable[[Name], Interval]) -> Interval:
    if isinstance(term, Number):
        return Interval.point(term.value)
    if isinstance(term, Name):
        return look(term)
    if isinstance(term, Power):
        return _interval(term.base, look) ** term.exponent
    parts = [_interval(x, look) for x in term.operands]
    if term.operator == "abs":
        return abs(parts[0])
    if term.operator == "neg":
        return -parts[0]
    left, right = parts
    if term.operator == "+":
        return left + right
    if term.operator == "-":
        return left + -right
    return left * right if term.operator == "*" else left * right.inverse()


def _settled(interval: Interval, operator: str, text: str, how: str) -> _Verdict:
    holds = interval.compared(operator)
    if holds is None:
        return _Verdict(None, None, f"{text}: undecided")
    margin = interval.distance
    return _Verdict(holds, margin if holds else -margin, f"{text} {'holds' if holds else 'fails'} ({how})")


def _cost(tree: Formula) -> int:
    return max((COST.get(name.kind, 0) for name in names(tree)), default=0)


def spelled(tree: Term | Formula) -> str:
    """A predicate or a part of it as text."""
    if isinstance(tree, Number):
        return str(tree.value)
    if isinstance(tree, Name):
        indices = [str(i + 1) for i in tree.indices]
        return tree.kind + ("_" if any(len(i) > 1 for i in indices) else "").join(indices)
    if isinstance(tree, Power):
        return f"({spelled(tree.base)})**{tree.exponent}"
    if isinstance(tree, Comparison):
        return f"{spelled(tree.left)} {tree.operator} {spelled(tree.right)}"
    parts = [spelled(x) for x in tree.operands]
    if isinstance(tree, Junction):
        return f"not ({parts[0]})" if tree.operator == "not" else "(" + f" {tree.operator} ".join(parts) + ")"
    if tree.operator in ("abs", "neg"):
        return f"{'abs' if tree.operator == 'abs' else '-'}({parts[0]})"
    return f"({parts[0]} {tree.operator} {parts[1]})"
