"""The theorems as objects: `get("T2").conclude(facts)` says what follows for a case, and from which hypotheses. THEORY.md has the mathematics."""

from __future__ import annotations

from .facts import facts_of
from .linear_stability import T1, T2, T3
from .statement import Conclusion, Examined, Fact, Facts, Hypothesis, Statement

_ALL = {statement.id: statement for statement in (T1, T2, T3)}


def get(id: str) -> Statement:
    """The statement with this id, such as "T2". Raises `KeyError` that lists the ids there are."""
    if id not in _ALL:
        raise KeyError(f"no statement has the id {id!r}; there are {', '.join(_ALL)}")
    return _ALL[id]


def ids() -> tuple[str, ...]:
    """All ids, in order."""
    return tuple(_ALL)


__all__ = ["Conclusion", "Examined", "Fact", "Facts", "Hypothesis", "Statement", "facts_of", "get", "ids"]
