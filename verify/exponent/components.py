"""E1: lambda is the maximum over the connected components of K's graph, each run with its own samples and the identity otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .elementary import is_below
from .question import Bound, Finding, Question


def components(question: Question, answer: Callable[[Question], Finding]) -> Finding:
    """Ask `answer` for every component and put the largest together; for a lower bound or a positive sign one component is enough."""
    if question.minimum is None:
        return Finding("needs a Gram matrix, not bare matrices")
    if question.samples is not None or len(question.minimum.components) < 2:
        return Finding("K's graph is connected")
    found = []
    for component in question.minimum.components:
        question.say(f"component {list(component)}")
        finding = answer(replace(question, samples=component))
        found.append((component, finding))
        if question.width is None and finding.lower and finding.decides_sign and (finding.lower.value > 0 or finding.lower.strict):
            return Finding(f"the component {list(component)} decides", lower=_part(component, finding.lower))
    finite = [(c, f) for c, f in found if f.expression != "-oo"]
    if not finite:
        killed = [(c, f.upper) for c, f in found if f.upper]
        return Finding("every component is killed", upper=_together(killed, killed), expression="-oo")
    lower = max(((c, f.lower) for c, f in finite if f.lower), key=lambda pair: (pair[1].value, pair[1].strict), default=None)
    uppers, finite_uppers = ([(c, f.upper) for c, f in some if f.upper] for some in (found, finite))
    upper = _together(uppers, finite_uppers) if len(uppers) == len(found) else None
    best = max(finite, key=lambda pair: pair[1].lower.value if pair[1].lower else float("-inf"))[1]
    unbeaten = all(f.expression == best.expression or is_below(f, best) for _, f in finite)
    missing = [f"component {list(c)}: {f.reason}" for c, f in found if not f.reaches(question.width)]
    return Finding("; ".join(missing), _part(*lower) if lower else None, upper, best.expression if unbeaten else None)


def _part(component: tuple[int, ...], bound: Bound) -> Bound:
    return Bound(bound.value, {"kind": "components", "parts": [_entry(component, bound)]}, bound.strict)


def _together(bounds: list[tuple[tuple[int, ...], Bound]], finite: list[tuple[tuple[int, ...], Bound]]) -> Bound:
    """The largest of the finite bounds; the proof of an exponent -infinity proves any value."""
    value = max(bound.value for _, bound in finite)
    strict = all(bound.strict for _, bound in finite if bound.value == value)
    return Bound(value, {"kind": "components", "parts": [_entry(component, bound) for component, bound in bounds]}, strict)


def _entry(component: tuple[int, ...], bound: Bound) -> dict[str, Any]:
    return {"component": list(component), "proof": bound.proof}
