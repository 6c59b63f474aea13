"""Rigorous values of closed forms: balls of python-flint, outward rounded rationals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def enclose(expression: Any, digits: int) -> tuple[Fraction | None, Fraction | None]:
    """Rational bounds of a closed form without symbols, at most 10^-digits apart; (None, None) for -infinity."""
    raise NotImplementedError
