"""Exact input: every number that a certified path accepts becomes a `Fraction` here, or an error that teaches.

Accepted: int, `fractions.Fraction`, SymPy rationals, NumPy integers, and strings such as "1/3", "0.1", "-2e-9".
A float is refused, because the number that it holds is not the number that was meant: 0.1 is 3602879701896397/36028797018963968.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral, Rational
from typing import Any

# Certificates bound their integers by 2000 digits; half of that leaves room for products of two inputs.
MAX_DIGITS = 1000
EXACT_DIGITS = 1900  # for int and Fraction, which also come from computations with such inputs

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?(\s*/\s*\d+)?", re.ASCII)

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]


class InputError(ValueError):
    """Bad input: the message names the argument, the value, what is violated and what to do."""


def rational(value: Any, name: str) -> Fraction:
    """The exact rational that `value` spells; `name` is how the caller knows it ("step_size", "gram[0][1]").

    Raises `InputError` for floats (with the exact spelling to use), for text that is not a number, and beyond 1000 digits.
    """
    if isinstance(value, str):
        return _from_text(value, name)
    if isinstance(value, bool):
        raise InputError(f"{name} = {value!r} is a truth value; write a number, such as 1 or \"1/3\"")
    if isinstance(value, (Integral, Rational)):
        return _bounded(Fraction(int(value.numerator), int(value.denominator)), name, EXACT_DIGITS)
    if getattr(value, "is_Rational", False) and hasattr(value, "p") and hasattr(value, "q"):  # SymPy, without importing it
        return _bounded(Fraction(int(value.p), int(value.q)), name)
    if isinstance(value, float) or type(value).__name__.startswith(("float", "Float")):
        raise InputError(float_message(repr(float(value)), name))
    raise InputError(f"{name} = {_short(value)} is not a rational number; write an integer, a fraction such as \"1/3\" or a decimal string such as \"0.1\"")


def float_message(spelling: str, name: str) -> str:
    """The error text for a float: says why it is refused and how to write the number exactly."""
    if re.fullmatch(r"[+-]?(inf|nan|infinity)", spelling, re.IGNORECASE):
        return f"{name} = {spelling} is not a finite number; write an exact number, such as \"1/3\" or \"0.1\""
    return f"{name} = {spelling} is a float, and floats are not exact; write \"{spelling}\" (in quotes) for the decimal number, or a fraction such as \"1/3\""


def positive(value: Any, name: str) -> Fraction:
    """As `rational`, and greater than zero."""
    number = rational(value, name)
    if number <= 0:
        raise InputError(f"{name} = {spell(number)} is not positive; write a number greater than 0")
    return number


def rational_matrix(rows: Any, name: str) -> Matrix:
    """A nonempty rectangular matrix of exact numbers from nested sequences (or anything with `.tolist()`)."""
    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    if not _is_sequence(rows) or not rows:
        raise InputError(f"{name} = {_short(rows)} is not a nonempty list of rows; write for example [[\"1\", \"1/2\"], [\"1/2\", \"2\"]]")
    for i, row in enumerate(rows):
        if not _is_sequence(row) or not row:
            raise InputError(f"{name}[{i}] = {_short(row)} is not a nonempty list of numbers")
        if len(row) != len(rows[0]):
            raise InputError(f"{name} has ragged rows: {name}[0] has {len(rows[0])} entries, {name}[{i}] has {len(row)}; all rows need the same length")
    return tuple(tuple(rational(entry, f"{name}[{i}][{j}]") for j, entry in enumerate(row)) for i, row in enumerate(rows))


def rational_vector(entries: Any, name: str) -> Vector:
    """A nonempty vector of exact numbers."""
    entries = entries.tolist() if hasattr(entries, "tolist") else entries
    if not _is_sequence(entries) or not entries:
        raise InputError(f"{name} = {_short(entries)} is not a nonempty list of numbers")
    return tuple(rational(entry, f"{name}[{i}]") for i, entry in enumerate(entries))


def spell(number: Fraction) -> str:
    """The canonical exact spelling: "3", "-1/2"."""
    return str(number)


def _from_text(text: str, name: str) -> Fraction:
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise InputError(f"{name} = {_short(text)} is not a number; write an integer, a fraction such as \"1/3\" or a decimal such as \"0.1\"")
    head, _, denominator = stripped.partition("/")
    mantissa, _, exponent = head.strip().lower().partition("e")
    # The size is bounded before any arithmetic: "1e999999999" must not be expanded.
    if len(stripped) > 2 * MAX_DIGITS or len(exponent) > 6 or abs(int(exponent or 0)) + len(mantissa) > MAX_DIGITS:
        raise InputError(f"{name} = {_short(text)} has more than {MAX_DIGITS} digits; write a shorter number")
    if denominator and not int(denominator):
        raise InputError(f"{name} = {_short(text)} divides by zero; write a fraction with a nonzero denominator")
    return _bounded(Fraction(head.strip()) / int(denominator or 1), name)


def _bounded(number: Fraction, name: str, digits: int = MAX_DIGITS) -> Fraction:
    if max(abs(number.numerator), number.denominator).bit_length() > digits * 3322 // 1000:
        raise InputError(f"{name} has more than {digits} digits; write a shorter number")
    return number


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
