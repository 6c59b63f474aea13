"""Floats to short rational numbers, rounded to the side that is wanted."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np

from ._model import Floats


def short(y: float, step: float, upper: bool) -> Fraction:
    """A decimal number at or beyond y, on its safe side, within about `step`."""
    digits = max(0, math.ceil(-math.log10(step))) if step > 0 else 18
    unit = Fraction(1, 10**digits)
    quotient = Fraction(y) / unit
    result = (math.ceil(quotient) if upper else math.floor(quotient)) * unit
    if result == 0 and y != 0 and (y < 0) == upper:
        return short(y, step / 100, upper)  # keep the sign that the bound proves
    return result


def exponential(exponent: Fraction, bits: int, upper: bool) -> Fraction:
    """A rational rho with log rho <= exponent (upper) or >= exponent, relatively within 2^-bits of e^exponent; e^0 = 1 exactly."""
    if exponent == 0:
        return Fraction(1)
    digits = int(bits * 0.302) + 8 + max(0, len(str(abs(exponent.numerator) // exponent.denominator)))
    context = Context(prec=digits, rounding=ROUND_FLOOR if upper else ROUND_CEILING, Emax=10**9, Emin=-(10**9))
    value = Fraction(context.exp(context.divide(Decimal(exponent.numerator), Decimal(exponent.denominator))))
    value *= Fraction(1) + Fraction(-1 if upper else 1, 10 ** (digits - 3))  # exp rounds to nearest
    power = bits - (value.numerator.bit_length() - value.denominator.bit_length())
    scaled = value * Fraction(2) ** power
    return Fraction(math.floor(scaled) if upper else math.ceil(scaled)) / Fraction(2) ** power


def rounded(log_height: Floats, bernstein: Floats, levels: list[int], q: int, bits: int) -> list[list[int]]:
    """Integer coefficients C(q, j) B_kj exp(q log_height_k) 2^(q level_k), each cone to `bits` bits of its smallest coefficient, up to a common factor."""
    binomials = np.array([math.comb(q, j) for j in range(q + 1)])
    values = bernstein * binomials
    exponents = q * log_height / math.log(2)
    whole = np.floor(exponents)
    values = values * np.exp2(exponents - whole)[:, None]
    lift = bits - np.floor(np.log2(values.min(axis=1))).astype(int)
    powers = [int(w) - int(up) + q * level for w, up, level in zip(whole, lift, levels, strict=True)]
    least = min(powers)
    result = []
    for row, up, power in zip(values, lift, powers, strict=True):
        result.append([round(math.ldexp(float(x), int(up))) << (power - least) for x in row])
    common = math.gcd(*(c for row in result for c in row))
    return [[c // common for c in row] for row in result]
