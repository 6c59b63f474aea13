"""T1, T2 and T3 in one word: what may be known about a minimum under an optimiser (`Facts`), and what follows (`Conclusion`).

A fact is three-valued. What is not known is *assumed* where a theorem needs it, and the conclusion says so; what is known to fail, and a sign that is
not proved, yield no statement at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .statement import Condition, Evidence, Fact, Status

Sign = Literal["negative", "zero", "positive", "undecided"]
Verdict = Literal[
    "in the support",
    "not in the support",
    "converges almost surely from every start",
    "does not converge almost surely from every start",
    "converges in law to a unique stationary law",
    "no statement",
]

SIGNS: tuple[Sign, ...] = ("negative", "zero", "positive", "undecided")
NOT_EXAMINED = Fact(None, "not examined")


@dataclass(frozen=True)
class Facts:
    """What is known about one minimum under one optimiser ("gd" for every full batch). The signs are proved signs, else "undecided"."""

    optimiser: Literal["gd", "sgd"]
    smooth: Fact = NOT_EXAMINED
    gradients_independent: Fact = NOT_EXAMINED
    steps_nonsingular: Fact = NOT_EXAMINED
    regular_steps: Fact = NOT_EXAMINED
    connected: Fact = NOT_EXAMINED
    linear_model: Fact = NOT_EXAMINED
    solvable: Fact = NOT_EXAMINED
    batch: int = 1
    outputs: int = 1
    uniform: bool = True
    reshuffled: bool = False
    momentum: bool = False
    weight_decay: bool = False
    rest_contracts: Fact = NOT_EXAMINED  # with weight decay: 0 < eta omega < 2 (1 + beta), on the complement of the gradients
    mu_sign: Sign = "undecided"
    lambda_sign: Sign = "undecided"

    def __post_init__(self) -> None:
        if self.optimiser not in ("gd", "sgd"):
            raise ValueError(f"optimiser = {self.optimiser!r} is not known; write \"gd\" or \"sgd\"")
        for name in ("mu_sign", "lambda_sign"):
            if getattr(self, name) not in SIGNS:
                raise ValueError(f"{name} = {getattr(self, name)!r} is not a sign; write one of {', '.join(SIGNS)}")
        for name in ("batch", "outputs"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)!r} is not a positive integer")

    @property
    def sign(self) -> Sign:
        """The proved sign of the exponent that belongs to the optimiser: mu for gradient descent, lambda for SGD."""
        return self.mu_sign if self.optimiser == "gd" else self.lambda_sign


@dataclass(frozen=True)
class Examined:
    """A hypothesis on a case: holds, fails, or is assumed, and why."""

    name: str
    status: Status
    reason: str


@dataclass(frozen=True)
class Conclusion:
    """What a statement says about a case. `extension` is empty, or says why this is not the published theorem."""

    statement: str
    verdict: Verdict
    reason: str
    hypotheses: tuple[Examined, ...]
    evidence: Evidence
    extension: str = ""

    @property
    def assumed(self) -> tuple[Examined, ...]:
        """The hypotheses that were not established."""
        return tuple(h for h in self.hypotheses if h.status == "is assumed")

    @property
    def unconditional(self) -> bool:
        """A statement with every hypothesis established, by a proof that exists. Never true without a verdict."""
        return self.verdict != "no statement" and not self.extension and bool(self.hypotheses) and all(h.status == "holds" for h in self.hypotheses)


def examine(hypotheses: Iterable[Condition], facts: Facts) -> tuple[Examined, ...]:
    """Every hypothesis that names a field of `Facts`, with what the facts say about it."""
    found: list[Examined] = []
    for hypothesis in hypotheses:
        if hypothesis.fact:
            fact: Fact = getattr(facts, hypothesis.fact)
            found.append(Examined(hypothesis.name, fact.status, fact.reason))
    return tuple(found)
