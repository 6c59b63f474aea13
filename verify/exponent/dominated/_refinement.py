"""Linear systems in arb from one LU in doubles: iterative refinement whose precision doubles from level to level."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._arcs import Floats


class NotSolved(Exception):
    """The series could not be computed; the message says why."""


class Refinement:
    """matrix x = rhs to any number of bits; half of the bits are solved for first, so that most residuals are taken at low precision.

    `floats` is the same matrix in doubles with one equation more (of right-hand side 0), which makes it square.
    """

    def __init__(self, matrix: Any, floats: Floats, bits: int) -> None:
        from scipy.linalg import lu_factor

        self.exact, self.bits, self.rounded, self.factors = matrix, bits, dict[int, Any](), lu_factor(floats)
        self.gain = 0  # bits that one solution in doubles is good for

    def solved(self, rhs: Any, bits: int) -> Any:
        """x with |matrix x - rhs| about 2^-bits |rhs|, the largest entries counting."""
        from flint import ctx

        if not self.gain:
            with ctx.workprec(192):
                self.gain = exponent(rhs) - exponent(rhs - self.at(128) * self._in_doubles(rhs)) - 4
            if self.gain < 4:
                raise NotSolved("the linear system is too ill-conditioned for double precision")
        if bits <= self.gain:
            return self._in_doubles(rhs)
        half = self.gain
        while 2 * half < bits:
            half *= 2
        first = self.solved(rhs, half)
        with ctx.workprec(bits + 64):
            residual = (rhs - self.at(bits + 64) * first).mid()
            return (first + self.solved(residual, bits - half)).mid()

    def _in_doubles(self, rhs: Any) -> Any:
        from flint import arb, arb_mat
        from scipy.linalg import lu_solve

        unit = arb(2) ** exponent(rhs)
        x = lu_solve(self.factors, np.array([float(r.mid() / unit) for r in rhs.entries()] + [0.0]))
        if not np.isfinite(x).all():
            raise NotSolved("the linear system is singular in double precision")
        return arb_mat([[arb(float(y)) * unit] for y in x])

    def at(self, bits: int) -> Any:
        """The matrix to at least so many bits."""
        from flint import arb, ctx

        power = 1 << bits.bit_length()
        if power >= self.bits:
            return self.exact
        if power not in self.rounded:
            with ctx.workprec(power):
                self.rounded[power] = (self.exact * arb(1)).mid()
        return self.rounded[power]


def exponent(column: Any) -> int:
    """About log2 of the largest entry of a column of arb (-10^9 where all are 0)."""
    found = -(10**9)
    for x in column.entries():
        mantissa, exponent = x.mid().man_exp()
        if mantissa:
            found = max(found, int(mantissa).bit_length() + int(exponent))
    return found
