"""Registration of rules, in the order in which their files are imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..case import Case
from ..result import Exact

Solve = Callable[[Case], Exact]


@dataclass(frozen=True)
class Rule:
    """A named way to a closed form. `solve` closes a smaller case by any rule, for rules that reduce one case to others."""

    name: str
    derive: Callable[[Case, Solve], Exact]


MU: list[Rule] = []
LAMBDA: list[Rule] = []


def rule(quantity: Literal["mu", "lambda"], name: str) -> Callable[[Callable[[Case, Solve], Exact]], Callable[[Case, Solve], Exact]]:
    """Register a function as a rule for mu or lambda."""

    def register(derive: Callable[[Case, Solve], Exact]) -> Callable[[Case, Solve], Exact]:
        (MU if quantity == "mu" else LAMBDA).append(Rule(name, derive))
        return derive

    return register
