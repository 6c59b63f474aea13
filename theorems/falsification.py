"""`falsify`: a search for a case on which the hypotheses of a statement hold and its conclusion fails, as small as it gets, judged by `check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from verify.exact import InputError, Matrix
from verify.optimiser import SGD
from verify.predicate import Judged
from verify.problem import Problem
from verify.search import Effort, RationalSpace, find_counterexample
from verify.search import NotFound as NothingFound

from .checking import Checked, check, witness
from .domains import anywhere
from .registry import resolve
from .statement import Statement

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

HOLDS = {"refuted": False, "holds": True, "hypothesis fails": True, "undecided": None}
PROOF_SECONDS = 5.0
ERROR_PROBABILITY = 1e-9  # many cases are tested, so each test is stricter than a single check


@dataclass(frozen=True)
class Counterexample:
    """A problem that refutes the statement, what `check` says about it (with the certificate), and the effort of the search."""

    statement: Statement
    problem: Problem
    checked: Checked
    effort: Effort

    @property
    def certificate(self) -> Mapping[str, Any] | None:
        """The conjunction of the signs that were used; None where a statistical test or exact arithmetic alone decided."""
        return self.checked.certificate

    def __bool__(self) -> bool:
        return True

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        found = {
            "problem": witness(self.problem),
            "reason": self.checked.reason,
            "error_probability": self.checked.error_probability,
            "certificate": certificate_path,
        }
        return {"statement": self.statement.id, "found": found, "reason": None, "effort": self.effort.to_json()}

    def __str__(self) -> str:
        return f"{self.statement.id} is refuted by {witness(self.problem)}: {self.checked.reason}; {self.effort}"


@dataclass(frozen=True)
class NotFound:
    """No counterexample was found with this effort. That proves nothing. `verdicts` counts what `check` said about the cases that were judged."""

    statement: Statement
    reason: str
    effort: Effort
    verdicts: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return False

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        del certificate_path
        return {"statement": self.statement.id, "found": None, "reason": self.reason, "effort": self.effort.to_json() | {"verdicts": dict(self.verdicts)}}

    def __str__(self) -> str:
        return f"no counterexample to {self.statement.id} was found, which proves nothing: {self.reason}; {self.effort}"


@dataclass
class _Refuter:
    """The statement as a predicate for the search: False where `check` refutes it."""

    statement: Statement
    seed: int
    verdicts: Counter[str] = field(default_factory=Counter)

    def __call__(self, problem: Problem) -> Judged:
        found = check(self.statement, problem, seconds=PROOF_SECONDS, seed=self.seed, error_probability=ERROR_PROBABILITY)
        self.verdicts[found.verdict] += 1
        certificate = dict(found.certificate) if found.certificate is not None else None
        return Judged(HOLDS[found.verdict], None, found.reason, certificate)

    def violations(self, batch: Any) -> Any:
        """Floating-point margins, for a directed search."""
        assert self.statement.margin is not None
        return self.statement.margin(batch)


def falsify(
    statement: str | Statement,
    points: int = 2,
    seconds: float = 60.0,
    seed: int = 0,
    *,
    strategy: SearchStrategy[Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Counterexample | NotFound:
    """A counterexample with `points` data points, found within `seconds`, or `NotFound` with the effort (which proves nothing).

    With a `margin` the statement is searched over small rationals, smallest first, then by directed optimisation; else over `strategy` (default: the
    statement's own), by Hypothesis, which shrinks what it finds. A counterexample is checked a second time with another seed.
    Raises `InputError` for an unknown id, for a statement about fixed examples, and where so few data points cannot satisfy the hypotheses.
    """
    chosen = resolve(statement)
    _searchable(chosen, points)
    refuter = _Refuter(chosen, seed)
    where: RationalSpace | SearchStrategy[Any]
    if strategy is not None:
        where = strategy
    elif chosen.margin is not None:
        where = RationalSpace(points, build=_builder(chosen.margin.batch))
    else:
        where = (chosen.drawn or anywhere())(points)
    found = find_counterexample(refuter, where, seconds=seconds, seed=seed, progress=progress)
    if isinstance(found, NothingFound):
        return NotFound(chosen, _reason(found.reason, refuter.verdicts), found.effort, dict(refuter.verdicts))
    again = check(chosen, found.case, seconds=2 * PROOF_SECONDS, seed=seed + 1, error_probability=ERROR_PROBABILITY)
    if again.verdict != "refuted":
        reason = f"a candidate was not confirmed with another seed ({again.verdict}: {again.reason})"
        return NotFound(chosen, reason, found.effort, dict(refuter.verdicts))
    return Counterexample(chosen, found.case, again, found.effort)


def _searchable(statement: Statement, points: int) -> None:
    if isinstance(points, bool) or not isinstance(points, int) or points < 1:
        raise InputError(f"points = {points!r} is not a positive integer; write for example 2")
    if statement.fixed:
        raise InputError(f"{statement.id} is about shipped examples, so there is nothing to search; use check to certify them again")
    least = statement.margin.least_points if statement.margin is not None else 1
    if points < least:
        raise InputError(f"points = {points} cannot satisfy the hypotheses of {statement.id}, which needs at least {least} data points; raise points")


def _builder(batch: int) -> Callable[[Sequence[Matrix], Sequence[Fraction]], Problem]:
    def build(grams: Sequence[Matrix], steps: Sequence[Fraction]) -> Problem:
        return Problem.from_gram(grams[0], SGD(steps[0], batch))

    return build


def _reason(reason: str, verdicts: Counter[str]) -> str:
    """The reason of the search, and whether the hypotheses were ever met."""
    met = verdicts["holds"] + verdicts["refuted"]
    if verdicts and not met:
        return f"{reason}; the hypotheses were established on none of the {sum(verdicts.values())} cases judged: give a strategy that satisfies them"
    counts = f"it holds on {verdicts['holds']}, a hypothesis fails on {verdicts['hypothesis fails']}, {verdicts['undecided']} are undecided"
    return f"{reason}; of the cases judged {counts}"
