"""Counterexamples by Hypothesis: generation targeted at the margin, and shrinking inside the strategy."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from .result import Counterexample, NotFound

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from ..predicate import Judged
    from .engine import Run

ROUND = 100
# What is left for shrinking once something has been found, as a share of the whole time.
SHRINKING = 0.3


def by_hypothesis(run: Run, strategy: SearchStrategy[Any], score: Callable[[Any], float] | None) -> Counterexample | NotFound:
    """Draw cases in rounds until one is judged as wanted or the time is over; then let Hypothesis shrink it. `score` steers, and spares vain judgements."""
    import hypothesis
    from hypothesis.errors import HypothesisException

    if not isinstance(strategy, hypothesis.strategies.SearchStrategy):
        raise InputError(f"strategy = {strategy!r} is neither a Hypothesis strategy nor a RationalSpace; take one from verify.strategies")
    settings = hypothesis.settings(
        max_examples=ROUND, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), verbosity=hypothesis.Verbosity.quiet
    )
    best: list[tuple[Any, Judged]] = []
    known: dict[str, Judged | None] = {}
    until = [0.0]

    def wanted(case: Any) -> bool:
        if run.left < until[0]:
            return False
        run.screened += 1
        key = repr(case)
        if key not in known:
            value = score(case) if score else math.inf
            if score and math.isfinite(value):
                hypothesis.target(value)
            known[key] = run.settled(case) if value > 0 else None
        judged = known[key]
        if judged is None:
            return False
        if not best:
            until[0] = run.left - SHRINKING * run.seconds
        best.append((case, judged))
        return True

    rounds = 0
    while run.left > 0 and not best:
        run.say("drawing cases")
        before = len(known)
        with suppress(HypothesisException):  # nothing in this round; or the time ended while shrinking, and `best` holds what was found
            hypothesis.find(strategy, wanted, settings=settings, random=random.Random(run.seed * 1_000_003 + rounds))
        rounds += 1
        if not best and len(known) == before:
            return NotFound("the strategy has no further cases", run.effort)
    if not best:
        return NotFound(f"no case was found within {run.seconds:g} s", run.effort)
    case, judged = best[-1]
    return Counterexample(case, judged, run.effort)
