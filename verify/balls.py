"""Rigorous elementary functions: python-flint balls in, outward rounded rationals out. The precision is set in a scope and restored."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

# A sum of logarithms: sum of w log x over (w, x), x >= 0 (w > 0 where x = 0: the sum is -infinity).
LogSum = list[tuple[Fraction, Fraction]]

PRECISIONS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)


def fmpq_of(number: Fraction) -> Any:
    """The flint rational."""
    from flint import fmpq

    return fmpq(number.numerator, number.denominator)


def ends(ball: Any) -> tuple[Fraction, Fraction]:
    """Exact lower and upper end of a real ball."""
    return _dyadic(ball.lower()), _dyadic(ball.upper())


def outward(lo: Fraction, hi: Fraction, width: Fraction) -> tuple[Fraction, Fraction]:
    """Round the ends outwards to decimals fine enough that a width below `width` stays below it if hi - lo <= width/2."""
    scale = 10 ** _decimals(width / 8)
    return Fraction((lo * scale).__floor__(), scale), Fraction((hi * scale).__ceil__(), scale)


def log_sum_bounds(terms: LogSum, width: Fraction) -> tuple[Fraction, Fraction] | None:
    """Rational enclosure of sum w log x of at most the given width; None if the sum is -infinity."""
    from flint import arb, ctx

    if any(x == 0 for _, x in terms):
        return None
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            total = sum((arb(fmpq_of(w)) * arb(fmpq_of(x)).log() for w, x in terms), start=arb(0))
            lo, hi = ends(total)
        if hi - lo <= width / 2:
            return outward(lo, hi, width)
    raise ArithmeticError(f"no enclosure of width {width} with {PRECISIONS[-1]} bits")


def log_sum_expression(terms: Iterable[tuple[Fraction, Fraction]]) -> str:
    """SymPy-parsable text of sum w log x."""
    merged: dict[Fraction, Fraction] = {}
    for w, x in terms:
        if x != 1:
            merged[x] = merged.get(x, Fraction(0)) + w
    if any(x == 0 for x in merged):
        return "-oo"
    parts = [f"log({x})" if w == 1 else f"({w})*log({x})" for x, w in merged.items() if w]
    return " + ".join(parts) or "0"


def _dyadic(number: Any) -> Fraction:
    mantissa, exponent = (int(part) for part in number.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def _decimals(width: Fraction) -> int:
    """Least k >= 0 with 10^-k <= width."""
    k = max(0, len(str(width.denominator)) - len(str(width.numerator)) - 1)
    while Fraction(1, 10**k) > width:
        k += 1
    return k
