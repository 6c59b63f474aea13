"""The engine of `auto`: tries the registered methods in order, keeps the best proved bounds, and lets the trusted checker have the last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..certificate import Rejected, check, claim, seal
from ..result import Attempt, Enclosure, Exact, interval
from . import components, elementary, renewal
from .isometry import isometries
from .mean_square import mean_square, words
from .positive import exterior_powers, positive_cone
from .question import Bound, Finding, Question
from .sandwich import planar
from .simplicial import simplicial
from .weighted import weighted_mean_square

Method = Callable[[Question], Finding]

# To add a method: write it in a file of its own and name it here, cheap and decisive ones first.
METHODS: dict[str, Method] = {
    "full batch (E2)": elementary.full_batch,
    "one dimension (E4)": elementary.one_dimension,
    "orthogonal gradients (E3)": elementary.orthogonal,
    "equal norms (E7)": elementary.equal_norms,
    "nonexpansive (E5)": elementary.nonexpansive,
    "boundary (E5')": elementary.boundary,
    "determinant (E4)": elementary.determinant,
    "components (E1)": lambda question: components.components(question, lambda part: search(part)[0]),
    "isometries (E4, E11)": isometries,
    "renewal (E8)": renewal.renewal,
    "planar sandwich (S4, S5)": planar,
    "mean square (E11)": mean_square,
    "positive cone (S4)": positive_cone,
    "weighted mean square (S7)": weighted_mean_square,
    "words": words,
    "exterior powers (E20)": exterior_powers,
    "simplicial sandwich (S4)": simplicial,
}


def search(question: Question) -> tuple[Finding, str, list[Attempt]]:
    """(best finding, names of the methods behind it, what every method said). Nothing here is trusted yet."""
    best, used, tried = Finding(""), dict[str, str](), list[Attempt]()
    for name, method in METHODS.items():
        if name in question.without:
            continue
        if question.seconds_left < 0:
            tried.append(Attempt(name, "not tried: out of time"))
            continue
        question.say(name)
        finding = method(question)
        merged = _merge(best, finding)
        for part in ("lower", "upper", "expression"):
            if getattr(merged, part) != getattr(best, part):
                used[part] = name
        best = merged
        decided = best.reaches(question.width)
        tried.append(Attempt(name, "decides" if decided else finding.reason or _spelled(finding)))
        if decided:
            break
    reason = "" if best.reaches(question.width) else "; ".join(f"{attempt.method}: {attempt.outcome}" for attempt in tried if attempt.outcome)
    return replace(best, reason=reason or best.reason), " + ".join(dict.fromkeys(used.values())), tried


def certified(subject: dict[str, Any], quantity: str, finding: Finding, method: str, tried: list[Attempt]) -> Enclosure | None:
    """The finding as a result whose sign and bounds the trusted checker has accepted; None if there is nothing to prove.

    Raises `Rejected` if the checker refuses the proof.
    """
    statements = [(claim(subject, quantity, relation, bound.value), bound.proof) for relation, bound in _relations(finding)]
    if not statements:
        return None
    certificate = seal(statements)
    try:
        proved = tuple(check(certificate))
    except Rejected:
        kept = [i for i, statement in enumerate(statements) if _accepted(statement)]
        if not kept or len(kept) == len(statements):
            raise
        # One side is beyond the checker; the other stands.
        lower_kept = any(statements[i][0]["relation"] in (">", ">=") for i in kept)
        refused = "the trusted checker refused the other bound"
        rest = Finding(refused, lower=finding.lower) if lower_kept else Finding(refused, upper=finding.upper)
        return certified(subject, quantity, rest, method, tried)
    if finding.expression == "-oo":
        return Exact(method, finding.reason, None, None, proved, certificate, "-oo", tried=tuple(tried))
    lo, hi = finding.lower.value if finding.lower else None, finding.upper.value if finding.upper else None
    if finding.expression is not None:
        return Exact(method, finding.reason, lo, hi, proved, certificate, finding.expression, tried=tuple(tried))
    return Enclosure(method, finding.reason, lo, hi, proved, certificate, tried=tuple(tried))


def _accepted(statement: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    try:
        return bool(check(seal([statement])))
    except Rejected:
        return False


def answered(subject: dict[str, Any], quantity: str, question: Question) -> tuple[Enclosure | None, str, list[Attempt]]:
    """(checked result or None, reason, what was tried) for a question."""
    # A member of the family is an epoch for reshuffled samples: the question and the findings are about it, the answer is per step.
    whole = replace(question, width=question.width * question.period) if question.width is not None else question
    finding, method, tried = search(whole)
    finding = finding.per_step(question.period)
    try:
        return certified(subject, quantity, finding, method, tried), finding.reason, tried
    except (Rejected, RecursionError) as refusal:
        if question.width is not None:  # the sign may still have a proof
            result, _, tried = answered(subject, quantity, replace(question, width=None))
            if result is not None:
                return result, f"the trusted checker refused the proof of {method}: {refusal}", tried
        return None, f"the trusted checker refused the proof of {method}: {refusal}", tried


def _relations(finding: Finding) -> list[tuple[str, Bound]]:
    lower, upper = finding.lower, finding.upper
    if lower and upper and lower.value == upper.value and lower.proof == upper.proof:
        return [("=", lower)]
    found = [(">" if lower.strict else ">=", lower)] if lower else []
    return found + ([("<" if upper.strict else "<=", upper)] if upper else [])


def _merge(best: Finding, new: Finding) -> Finding:
    lower = max((b for b in (best.lower, new.lower) if b), key=lambda b: (b.value, b.strict), default=None)
    upper = min((b for b in (best.upper, new.upper) if b), key=lambda b: (b.value, not b.strict), default=None)
    expression = new.expression if new.expression is not None else best.expression
    if (lower, upper, expression) == (best.lower, best.upper, best.expression):
        return best
    return Finding(new.reason, lower, upper, expression)


def _spelled(finding: Finding) -> str:
    lo, hi = (bound.value if bound else None for bound in (finding.lower, finding.upper))
    return f"only {interval(lo, hi)}" if lo is not None or hi is not None else "no bound"

