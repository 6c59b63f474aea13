"""What `closed-form` prints: text sections and JSON with stable keys (documented in verify/JSON.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..report.text import Section
from .expansion import Expansion
from .problem import SymbolicProblem
from .result import ClosedForms, Derived, Exact, Unsolved, shown_enclosure

TITLES = {
    "eta_gd": "GD threshold eta_gd (mu < 0 iff eta < eta_gd)",
    "eta_ms": "Mean-square threshold eta_ms (E|r_n|^2 -> 0 iff eta < eta_ms)",
    "small_steps": "Small steps",
    "large_steps": "Large steps",
}


@dataclass(frozen=True)
class Report:
    """The formulas of a problem, further results or reasons by name, and exact values of the symbols at which to evaluate (None: no evaluation)."""

    problem: SymbolicProblem
    forms: ClosedForms
    extra: Mapping[str, Exact | Expansion | str] = field(default_factory=dict)
    values: Mapping[str, Any] | None = None
    digits: int = 15

    @property
    def found(self) -> bool:
        """Whether every formula that was asked for is there."""
        answers = [self.forms.lambda_, *([] if self.forms.mu is None else [self.forms.mu]), *self.extra.values()]
        return all(isinstance(answer, (Exact, Expansion)) for answer in answers)

    def value(self, exact: Exact) -> str | None:
        """The value at the given parameters, rounded outwards; None where it was not asked for or symbols are left."""
        if self.values is None:
            return None
        known = {symbol: self.values[str(symbol)] for symbol in exact.symbols if str(symbol) in self.values}
        try:
            return None if exact.at(known).free_symbols else shown_enclosure(exact.enclosure(known, self.digits))
        except (ArithmeticError, NotImplementedError) as error:
            return f"not evaluated: {error}"

    def to_json(self) -> dict[str, Any]:
        """Stable keys: mu, lambda, assumptions, and those of `extra`."""
        found: dict[str, Any] = {}
        for name, answer in (("mu", self.forms.mu), ("lambda", self.forms.lambda_), *self.extra.items()):
            found[name] = self._json(answer)
        return found | {"assumptions": assumed(self.problem)}

    def latex(self) -> list[str]:
        """One line of LaTeX for each formula that was found; a comment for each that was not."""
        named = [("mu", self.forms.mu), ("lambda", self.forms.lambda_), *self.extra.items()]
        return [answer.latex() if isinstance(answer, (Exact, Expansion)) else f"% {name}: no closed form" for name, answer in named if answer is not None]

    def _json(self, answer: Any) -> Any:
        if isinstance(answer, str):
            return {"expression": None, "reason": answer}
        if isinstance(answer, Expansion):
            return answer.to_json()
        if isinstance(answer, Exact):
            value = self.value(answer)
            return answer.to_json() | ({} if value is None else {"value": value})
        return None if answer is None else answer.to_json()


def assumed(problem: SymbolicProblem) -> list[str]:
    """The assumptions about the symbols, in words and inequalities."""
    words = ("positive", "nonnegative", "negative", "integer", "real")
    found = []
    for symbol in problem.symbols:
        bound = problem.assumptions.bounds.get(symbol)
        if bound is not None:
            found += [str(relation) for relation in bound.relations(symbol)]
        else:
            known = [word for word in words if getattr(symbol, f"is_{word}")]
            found.append(f"{symbol} {' '.join(w for w in known if w not in ('nonnegative', 'real') or not symbol.is_positive) or 'real'}")
    return found + [f"{fact} > 0" for fact in problem.assumptions.facts]


def sections(report: Report) -> list[Section]:
    """The text of `closed-form`."""
    head = [("assumed", text) for text in assumed(report.problem)]
    found = [Section(f"Closed forms for {report.problem.name}", tuple(head))]
    for name, answer in (("mu", report.forms.mu), ("lambda", report.forms.lambda_)):
        if answer is not None:
            found.append(_section(report, name, answer))
    return found + [_section(report, TITLES[name], answer) for name, answer in report.extra.items()]


def _section(report: Report, title: str, answer: Any) -> Section:
    if isinstance(answer, str):
        return Section(title, (("", f"no closed form: {answer}"),))
    if isinstance(answer, Unsolved):
        reasons = tuple((attempt.method, attempt.outcome) for attempt in answer.tried)
        instead = () if answer.enclosure is None else (("instead", str(answer.enclosure)),)
        return Section(f"{title}: no closed form is known here", (*reasons, *instead))
    if isinstance(answer, Expansion):
        bound = ("error", f"at most {answer.remainder} for {answer.valid}")
        return Section(title, (("", f"lambda = {answer.value}"), bound, *_proof(answer)))
    formula = f"{answer.quantity} = {answer.expression}"
    value = report.value(answer)
    lines = (("", formula), *(() if value is None else (("value", value),)), *_proof(answer))
    return Section(title if answer.rule in ("", title) else f"{title} (rule: {answer.rule})", lines)


def _proof(answer: Derived) -> tuple[tuple[str, str], ...]:
    conditions = tuple(("if", str(condition)) for condition in answer.conditions)
    steps = []
    for step in answer.derivation:
        count = len(step.identities)
        checked = f" [{count} {'identity' if count == 1 else 'identities'} simplified to 0]" if count else ""
        steps.append((step.fact, step.text + checked))
    return (*conditions, *steps)

