"""Numbers and matrices as Coq terms, and the effort with which Coq compares a bound (ln x - ln y) / n with a rational number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

Rows = list[list[Fraction]]


def number_text(x: Fraction | int) -> str:
    """A rational for the scope of Q, an integer for that of Z: "1#2", "-3"."""
    return str(x) if x.denominator == 1 else f"{x.numerator}#{x.denominator}"


def tuple_text(row: Iterable[Fraction | int]) -> str:
    return f"[{'; '.join(map(number_text, row))}]"


def matrix_text(rows: Iterable[Iterable[Fraction | int]]) -> str:
    return f"[{'; '.join(map(tuple_text, rows))}]"


def argument(x: int) -> str:
    """An integer as an argument of a function."""
    return f"({x})" if x < 0 else str(x)


def arguments(row: Sequence[int]) -> str:
    return " ".join(map(argument, row))


def effort_for(relation: str, value: Fraction, x: int, y: int, n: int) -> str:
    """The least effort of a fixed ladder with which `implies` of Comparison.v succeeds; the smallest where none does."""
    if relation in ("<", "<="):
        x, y, value = y, x, -value
    ladder = [(64 + 3 * squarings, squarings) for squarings in (4, 8, 16, 32, 64, 128, 256)]
    bits, squarings = next((w for w in ladder if _exceeds(relation in ("<", ">"), *w, x, y, n, value)), ladder[0])
    return f"(Effort {bits} {squarings})"


def _exceeds(strict: bool, bits: int, squarings: int, x: int, y: int, n: int, value: Fraction) -> bool:
    """`exceeds` of Comparison.v."""
    one, b = 1 << bits, value.denominator << squarings
    a = n * value.numerator
    if 2 * abs(a) > b:
        return False
    e = -(-one * (b * b + a * b + 2 * a * a) // (b * b))
    for _ in range(squarings):
        e = -(-e * e // one)
    return e * y < x * one if strict else e * y <= x * one


def rounded(x: Fraction, up: bool) -> Fraction:
    """x to 192 bits, up or down."""
    if max(x.numerator, x.denominator).bit_length() <= 256:
        return x
    shift = 192 - (x.numerator.bit_length() - x.denominator.bit_length())
    scaled = x * Fraction(2) ** shift
    return (math.ceil(scaled) if up else math.floor(scaled)) / Fraction(2) ** shift
