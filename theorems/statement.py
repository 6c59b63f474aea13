"""A statement as data: permanent id, words, formula, variables, hypotheses and conclusion as three-valued predicates, references, evidence, relations.

A new statement is one `Statement(...)`: in a file of this package, where `registry.py` lists it, or in a notebook. `check` and `falsify` treat both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from verify.certificate import Certificate
from verify.optimiser import SGD, GradientDescent, Optimiser
from verify.problem import Problem

if TYPE_CHECKING:
    from .case import Case
    from .conclusion import Conclusion, Facts
    from .domains import Drawn
    from .margins import Margin

Status = Literal["holds", "fails", "is assumed"]
Evidence = Literal[
    "definition",
    "published proof",
    "proved here",
    "machine-checked",
    "extension of a published proof, not proved",
    "tested",
    "conjectured",
    "refuted",
]
EVIDENCE: tuple[Evidence, ...] = (
    "definition", "published proof", "proved here", "machine-checked", "extension of a published proof, not proved", "tested", "conjectured", "refuted",
)  # fmt: skip
Link = Literal["implies", "follows from", "generalises", "special case of", "uses", "refutes", "refuted by", "equivalent to", "see"]
QUANTITIES = ("lambda", "mu", "ms")


@dataclass(frozen=True)
class Fact:
    """True, False or None (not known), and why; `certificates` prove it where there are any, else it is exact arithmetic or a test that the reason names.

    `error_probability` is 0 for what is proved, and the probability that a statistical test is wrong otherwise.
    """

    value: bool | None
    reason: str
    certificates: tuple[Certificate, ...] = field(default=(), repr=False, compare=False)
    error_probability: float = 0.0

    def __post_init__(self) -> None:
        if self.value not in (True, False, None) or not self.reason.strip():
            raise ValueError(f"Fact({self.value!r}, {self.reason!r}): the value is True, False or None, and the reason must not be empty")

    @property
    def status(self) -> Status:
        return "is assumed" if self.value is None else "holds" if self.value else "fails"

    def __invert__(self) -> Fact:
        """The negation, by the same evidence."""
        return Fact(None if self.value is None else not self.value, self.reason, self.certificates, self.error_probability)


def both(*facts: Fact) -> Fact:
    """The conjunction: one False decides, one None leaves it open. The certificates of what decides are kept."""
    decisive = [f for f in facts if f.value is False][:1] or [f for f in facts if f.value is None][:1] or list(facts)
    certificates = tuple(c for f in decisive for c in f.certificates)
    return Fact(decisive[0].value, "; ".join(f.reason for f in decisive), certificates, sum(f.error_probability for f in decisive))


@dataclass(frozen=True)
class Condition:
    """A named predicate over a case. `fact` names the field of `Facts` that speaks of it, for the hypotheses of T1 to T3."""

    name: str
    test: Callable[[Case], Fact] = field(repr=False, compare=False)
    fact: str = ""

    def __call__(self, case: Case) -> Fact:
        return self.test(case)


@dataclass(frozen=True)
class Variable:
    """A variable of the formula, where it lives and what it means."""

    name: str
    domain: str
    meaning: str


@dataclass(frozen=True)
class Relation:
    """How a statement is related to another one (or to a source): `kind` read from this statement to `to`."""

    kind: Link
    to: str


@dataclass(frozen=True)
class Instance:
    """A shipped case, exact, and the signs that are certified for it: (("lambda", "negative"), ...). A step size None is gradient descent's `optimiser`."""

    label: str
    signs: tuple[tuple[str, str], ...]
    step_size: str
    gram: tuple[tuple[str, ...], ...] | None = None
    features: tuple[tuple[str, ...], ...] | None = None
    labels: tuple[str, ...] | None = None
    batch: int = 1
    replacement: bool = True
    weights: tuple[str, ...] | None = None
    optimiser: Literal["sgd", "gd"] = "sgd"

    def __post_init__(self) -> None:
        if not self.signs or any(q not in QUANTITIES or s not in ("negative", "zero", "positive") for q, s in self.signs):
            raise ValueError(f"instance {self.label!r}: signs = {self.signs!r} are pairs such as (\"lambda\", \"negative\")")
        if (self.gram is None) == (self.features is None):
            raise ValueError(f"instance {self.label!r} needs either gram or features")

    @property
    def problem(self) -> Problem:
        """The problem that it describes."""
        optimiser: Optimiser = GradientDescent(self.step_size) if self.optimiser == "gd" else SGD(self.step_size, self.batch, self.replacement, self.weights)
        if self.gram is not None:
            return Problem.from_gram(self.gram, optimiser, name=self.label)
        return Problem.from_features(self.features, optimiser, self.labels, name=self.label)

    def to_json(self) -> dict[str, Any]:
        """The label, the problem as in a problem file, and the signs."""
        optimiser: dict[str, Any] = {"kind": self.optimiser, "step_size": self.step_size}
        if self.optimiser == "sgd":
            optimiser |= {"batch": self.batch, "replacement": self.replacement} | ({"weights": list(self.weights)} if self.weights else {})
        source: dict[str, Any] = {"gram": [list(row) for row in self.gram]} if self.gram is not None else {"features": [list(r) for r in self.features or ()]}
        labels = {"labels": list(self.labels)} if self.labels is not None else {}
        return {"label": self.label, "problem": source | labels | {"optimiser": optimiser}, "signs": dict(self.signs)}


@dataclass(frozen=True)
class Statement:
    """A theorem, definition, conjecture or refuted belief: if all `hypotheses` hold for a case, so does the `conclusion`.

    The conclusion must be evaluated by evidence that does not rest on what the statement itself says (another certificate, simulation), or `check` proves
    nothing. `instances` are shipped cases with certified signs: the counterexample of a refuted statement, the example of an existence statement.
    `drawn` makes the strategy of problems for N data points, where the hypotheses are met often; `margin` directs a search for small counterexamples.
    """

    id: str
    title: str
    plain: str
    latex: str
    hypotheses: tuple[Condition, ...]
    references: tuple[str, ...]
    evidence: Evidence
    conclusion: Condition
    variables: tuple[Variable, ...] = ()
    relations: tuple[Relation, ...] = ()
    instances: tuple[Instance, ...] = ()
    remark: str = ""
    drawn: Drawn | None = field(default=None, repr=False, compare=False)
    margin: Margin | None = field(default=None, repr=False, compare=False)
    rule: Callable[[Facts], Conclusion] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("id", "title", "plain", "latex", "references"):
            if not getattr(self, name):
                raise ValueError(f"statement {self.id!r} has no {name}")
        if not all(isinstance(r, str) and r.strip() for r in self.references):
            raise ValueError(f"statement {self.id!r} has an empty reference")
        if self.evidence not in EVIDENCE:
            raise ValueError(f"statement {self.id!r}: evidence = {self.evidence!r} is not a grade; write one of {', '.join(EVIDENCE)}")
        for name, condition in [("hypotheses", h) for h in self.hypotheses] + [("conclusion", self.conclusion)]:
            if not isinstance(condition, Condition):
                raise ValueError(f"statement {self.id!r}: {name} has {condition!r}, which is not a Condition(name, test)")
        if self.evidence == "refuted" and not self.instances:
            raise ValueError(f"statement {self.id!r} is called refuted, but ships no counterexample in `instances`")

    @property
    def fixed(self) -> bool:
        """Whether it is about shipped examples only, so that there is nothing to search."""
        return bool(self.instances) and self.evidence != "refuted"

    def conclude(self, facts: Facts) -> Conclusion:
        """What T1, T2 or T3 says about a case whose facts are known, without looking for any evidence of its own."""
        if self.rule is None:
            raise ValueError(f"{self.id} draws no conclusion from facts alone; use theorems.check({self.id!r}, problem)")
        return self.rule(facts)

    def to_json(self) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        return {
            "id": self.id,
            "title": self.title,
            "plain": self.plain,
            "latex": self.latex,
            "variables": [{"name": v.name, "domain": v.domain, "meaning": v.meaning} for v in self.variables],
            "hypotheses": [h.name for h in self.hypotheses],
            "conclusion": self.conclusion.name,
            "evidence": self.evidence,
            "references": list(self.references),
            "relations": [{"kind": r.kind, "to": r.to} for r in self.relations],
            "instances": [i.to_json() for i in self.instances],
            "remark": self.remark,
        }

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


def related(**kinds: str | Iterable[str]) -> tuple[Relation, ...]:
    """Relations in short: related(implies="T2", follows_from=["E4", "E5"])."""
    pairs = [(kind.replace("_", " "), to) for kind, tos in kinds.items() for to in ([tos] if isinstance(tos, str) else tos)]
    return tuple(Relation(kind, to) for kind, to in pairs)  # type: ignore[arg-type]
