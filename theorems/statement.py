"""What a statement is, what may be known about a case, and what follows: data, with no mathematics of its own.

A fact is three-valued. What is not known is *assumed* where a theorem needs it, and the conclusion says so; what is known to fail, and a sign that is
not proved, yield no statement at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Sign = Literal["negative", "zero", "positive", "undecided"]
Status = Literal["holds", "fails", "is assumed"]
Verdict = Literal[
    "in the support",
    "not in the support",
    "converges almost surely from every start",
    "does not converge almost surely from every start",
    "no statement",
]
Evidence = Literal["published proof", "proved here", "extension of a published proof, not proved"]

SIGNS: tuple[Sign, ...] = ("negative", "zero", "positive", "undecided")


@dataclass(frozen=True)
class Fact:
    """True, False or None (not known), and why."""

    value: bool | None
    reason: str

    def __post_init__(self) -> None:
        if self.value not in (True, False, None) or not self.reason.strip():
            raise ValueError(f"Fact({self.value!r}, {self.reason!r}): the value is True, False or None, and the reason must not be empty")

    @property
    def status(self) -> Status:
        return "is assumed" if self.value is None else "holds" if self.value else "fails"


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
class Hypothesis:
    """A hypothesis by name, and the field of `Facts` that speaks of it."""

    name: str
    fact: str


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


@dataclass(frozen=True)
class Statement:
    """A theorem: permanent id, words, formula, hypotheses, references (required), grade of evidence, and its conclusion about a case."""

    id: str
    title: str
    plain: str
    latex: str
    hypotheses: tuple[Hypothesis, ...]
    references: tuple[str, ...]
    evidence: Evidence
    conclude: Callable[[Facts], Conclusion] = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("id", "title", "plain", "latex", "hypotheses", "references"):
            if not getattr(self, name):
                raise ValueError(f"statement {self.id!r} has no {name}")


def examine(hypotheses: tuple[Hypothesis, ...], facts: Facts) -> tuple[Examined, ...]:
    """Every hypothesis with what the facts say about it."""
    found: list[Examined] = []
    for hypothesis in hypotheses:
        fact: Fact = getattr(facts, hypothesis.fact)
        found.append(Examined(hypothesis.name, fact.status, fact.reason))
    return tuple(found)
