"""A statement on many drawn cases: how often it holds, is refuted, cannot be decided, or has a hypothesis that fails. All four are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from verify.exact import InputError

from .case import Simulator
from .checking import Checked, check
from .domains import anywhere
from .registry import resolve
from .statement import Statement

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

VERDICTS = ("holds", "refuted", "undecided", "hypothesis fails")


@dataclass(frozen=True)
class Survey:
    """Counts of the verdicts by name, and the cases that refute or stay undecided."""

    statement: Statement
    points: int
    counts: Mapping[str, int]
    refuted: tuple[Checked, ...] = field(default=(), repr=False)
    undecided: tuple[Checked, ...] = field(default=(), repr=False)

    @property
    def decided(self) -> int:
        """Cases on which the statement holds or is refuted."""
        return self.counts["holds"] + self.counts["refuted"]

    @property
    def share(self) -> float:
        """Decided cases among those whose hypotheses do not fail; 0 if there are none, as no evidence is not success."""
        return self.decided / max(1, self.decided + self.counts["undecided"])

    def __str__(self) -> str:
        return f"{self.statement.id:<22} N = {self.points}: " + ", ".join(f"{self.counts[v]} {v}" for v in VERDICTS)


def survey(
    statement: str | Statement,
    points: int = 2,
    count: int = 20,
    *,
    seconds: float = 3.0,
    seed: int = 0,
    strategy: SearchStrategy[Any] | None = None,
    simulator: Simulator | None = None,
) -> Survey:
    """Check the statement on up to `count` different problems with `points` data points, drawn from its own strategy (or `strategy`) with this seed."""
    chosen = resolve(statement)
    if count < 1:
        raise InputError(f"count = {count} is not positive; give the number of cases to draw")
    where = strategy if strategy is not None else (chosen.drawn or anywhere())(points)
    found = [check(chosen, problem, seconds=seconds, seed=seed, simulator=simulator) for problem in drawn(where, count, seed)]
    counts = Counter(dict.fromkeys(VERDICTS, 0)) + Counter(one.verdict for one in found)
    chosen_by: Callable[[str], tuple[Checked, ...]] = lambda verdict: tuple(one for one in found if one.verdict == verdict)  # noqa: E731
    return Survey(chosen, points, counts, chosen_by("refuted"), chosen_by("undecided"))


def drawn(strategy: SearchStrategy[Any], count: int, seed: int = 0) -> list[Any]:
    """Up to `count` different examples of a strategy; the same for the same seed."""
    import hypothesis

    examples: dict[str, Any] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=2 * count, database=None, deadline=None, phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(strategy)
    def collect(example: Any) -> None:
        examples.setdefault(repr(example), example)

    collect()
    return list(examples.values())[:count]
