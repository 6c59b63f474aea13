"""Limits in a conjunction that contradict each other, found before a search is started: bounds on one name against each other and against its domain."""

from __future__ import annotations

from fractions import Fraction

from ..predicate.interval import Interval
from ..predicate.syntax import Arithmetic, Comparison, Formula, Name, Number, Power, Term

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def contradiction(tree: Formula) -> str:
    """Why no problem satisfies the conjunction, or an empty string where that is not obvious."""
    limits: dict[Name, Interval] = {}
    for part in _conjuncts(tree):
        bound = _bound(part)
        if bound is None:
            continue
        name, operator, value = bound
        known = limits.get(name, Interval(Fraction(0), None, lo_open=True) if _positive(name) else Interval(None, None))
        limits[name] = _met(known, operator, value)
        found = limits[name]
        if found.lo is not None and found.hi is not None and (found.lo > found.hi or (found.lo == found.hi and (found.lo_open or found.hi_open))):
            from ..predicate.judge import spelled

            domain = " (it is positive)" if _positive(name) else ""
            return f"the limits on {spelled(name)} contradict each other{domain}"
    return ""


def _positive(name: Name) -> bool:
    return name.kind in ("eta", "c", "kappa_min", "kappa_max") or (name.kind == "k" and len(set(name.indices)) == 1)


def _conjuncts(tree: Formula) -> list[Comparison]:
    if isinstance(tree, Comparison):
        return [tree]
    if tree.operator != "and":
        return []
    return [part for operand in tree.operands for part in _conjuncts(operand)]


def _bound(part: Comparison) -> tuple[Name, str, Fraction] | None:
    if isinstance(part.left, Name) and (value := constant(part.right)) is not None:
        return part.left, part.operator, value
    if isinstance(part.right, Name) and (value := constant(part.left)) is not None:
        return part.right, MIRRORED[part.operator], value
    return None


def constant(term: Term) -> Fraction | None:
    """The value of a term without names."""
    if isinstance(term, Number):
        return term.value
    if isinstance(term, Name):
        return None
    if isinstance(term, Power):
        base = constant(term.base)
        return None if base is None or (not base and term.exponent < 0) else Fraction(base**term.exponent)
    assert isinstance(term, Arithmetic)
    parts = [constant(x) for x in term.operands]
    values = [x for x in parts if x is not None]
    if len(values) < len(parts) or (term.operator == "/" and not values[1]):
        return None
    if term.operator in ("neg", "abs"):
        return -values[0] if term.operator == "neg" else abs(values[0])
    left, right = values
    return left + right if term.operator == "+" else left - right if term.operator == "-" else left * right if term.operator == "*" else left / right


def _met(known: Interval, operator: str, value: Fraction) -> Interval:
    lo, hi, lo_open, hi_open = known.lo, known.hi, known.lo_open, known.hi_open
    if operator in ("<", "<=", "==") and (hi is None or value < hi or (value == hi and operator == "<")):
        hi, hi_open = value, operator == "<"
    if operator in (">", ">=", "==") and (lo is None or value > lo or (value == lo and operator == ">")):
        lo, lo_open = value, operator == ">"
    return Interval(lo, hi, lo_open, hi_open)
