"""`Problem.lyapunov(digits=...)`: many digits beside the standard-library certificate, which keeps the last word about the sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ...result import Attempt, Enclosure, Estimate, Exponent
from ..question import Question
from . import Digits, check_digits, lambda_digits

METHOD = "dominated arcs in ball arithmetic (S2; requires python-flint)"
SEARCHES = ("planar sandwich (S4, S5)", "mean square (E11)", "words")
STANDARD_DIGITS = 12  # what cones with integer forms reach where the family is dominated


def with_digits(question: Question, subject: dict[str, Any], digits: int, ask: Callable[..., Exponent]) -> Exponent:
    """lambda to `digits` decimals (hi - lo <= 10^-digits).

    `ask(width, estimate=..., without=...)` is the standard answer. Where an explicit method reaches the width, that is the answer. Otherwise the standard
    methods are asked for the sign (for the question's width, or for up to 12 digits), and the enclosure comes from a ball certificate beside theirs.
    Statements, and with them the sign, are those of the standard-library checker.
    """
    goal = Fraction(1, 10 ** check_digits(digits))
    explicit = ask(goal, estimate=False, without=frozenset(SEARCHES) | question.without)
    if isinstance(explicit, Enclosure) and (getattr(explicit, "expression", "") == "-oo" or (explicit.width is not None and explicit.width <= goal)):
        return explicit
    found = lambda_digits(question, subject, digits)
    width = question.width or (goal if digits <= STANDARD_DIGITS else None)
    if not isinstance(found, Digits):
        standard = ask(width, without=question.without)
        return replace(standard, reason=f"no {digits} digits: {found.reason}", tried=(*standard.tried, Attempt(METHOD, found.reason)))
    standard = ask(width, without=question.without, estimate=False)
    assert not isinstance(standard, Estimate)
    lo, hi = (max(found.lo, standard.lo) if standard.lo is not None else found.lo), (min(found.hi, standard.hi) if standard.hi is not None else found.hi)
    if lo > hi:
        raise ArithmeticError("the ball certificate and the standard certificate contradict each other")
    method = f"{standard.method}; digits: {METHOD}" if standard.certificate is not None else METHOD
    return replace(standard, method=method, lo=lo, hi=hi, ball_certificate=found.certificate)
