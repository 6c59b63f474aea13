"""Even moments, exactly: L(p) = log rho(T), T the mean action of the steps on homogeneous polynomials of degree p.

(T f)(v) = E f(A v) acts on the forms of degree p in d variables, a space of dimension binom(d+p-1, p). For even p it preserves the proper cone of nonnegative
forms, in whose interior |v|^p lies, and (T^n |.|^p)(v) = E|A^n v|^p; so rho(T) = lim (E||A^n||^p)^(1/n), and rho(T) is an eigenvalue (Krein-Rutman).
Hence, with the characteristic polynomial c of T, for rational R > 0:

    R > rho(T)   iff   every Taylor coefficient of c at R is positive.

(<=: c has no real root >= R, in particular rho(T) is none. =>: every root z has Re(z - R) < 0, so c(R + x) is a product of factors with positive
coefficients.) This decides every comparison in exact rational arithmetic, to any number of digits.
For p = 2k also rho(T) = rho(E[B (x) B]) with B = Sym^k A, since the norms of Sym^k A and A^k are equivalent: L(2k) is twice the mean-square exponent of the
family Sym^k, and the certificate kind `mean-square` proves bounds on it where its dimension binom(d+k-1, k) is at most 12.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..balls import fmpq_of, log_sum_bounds
from ..family import MatrixFamily
from ..result import as_float
from .blocks import remainder

MAX_DIMENSION = 210  # of the space of forms: 2 s for p = 2, more for longer entries
Exponents = tuple[int, ...]


def forms_dimension(d: int, p: int) -> int:
    """binom(d+p-1, p)."""
    return math.comb(d + p - 1, p)


class EvenMoment:
    """rho(T) for one family and an even p, with exact comparisons."""

    def __init__(self, family: MatrixFamily, p: int) -> None:
        self.family, self.p = family, p

    @cached_property
    def matrix(self) -> Any:
        """T in the basis of monomials (fmpq_mat)."""
        from flint import fmpq_mat

        size = forms_dimension(self.family.dimension, self.p)
        total = [fmpq_of(Fraction(0))] * (size * size)
        for matrix, probability in zip(self.family.matrices, self.family.probabilities, strict=True):
            rows, scale = symmetric_power(matrix, self.p)
            weight = fmpq_of(probability / scale)
            total = [x + weight * y if y else x for x, y in zip(total, itertools.chain.from_iterable(rows), strict=True)]
        rest = fmpq_of(remainder(self.family))
        for k in range(size):
            total[k * size + k] += rest
        return fmpq_mat(size, size, total)

    @cached_property
    def polynomial(self) -> Any:
        """The characteristic polynomial of T (fmpq_poly, monic)."""
        return self.matrix.charpoly()

    def above(self, radius: Fraction) -> bool:
        """Whether radius > rho(T), decided exactly."""
        from flint import fmpq_poly

        return radius > 0 and all(x > 0 for x in self.polynomial(fmpq_poly([fmpq_of(radius), 1])).coeffs())

    def equals(self, radius: Fraction) -> bool:
        """Whether radius = rho(T), decided exactly: it is a root, and no real root is larger."""
        from flint import fmpq_poly

        coefficients = self.polynomial(fmpq_poly([fmpq_of(radius), 1])).coeffs()
        return coefficients[0] == 0 and all(x >= 0 for x in coefficients)

    def radius(self, relative: Fraction) -> tuple[Fraction, Fraction]:
        """Rational lo <= rho(T) < hi with hi - lo <= relative * hi; (0, 0) where T is nilpotent. Proved by `above`."""
        if all(x == 0 for x in self.polynomial.coeffs()[:-1]):
            return Fraction(0), Fraction(0)
        bits = max(60, (1 / relative).__ceil__().bit_length() + 20)
        guess = self._polished(bits)
        for share in (relative / 4, relative, Fraction(1, 1000)):
            lo, hi = (_dyadic(guess * (1 + side * share), bits) for side in (-1, 1))
            if self.above(hi) and not self.above(lo):
                break
        else:
            lo, hi = Fraction(0), Fraction(1)
            while not self.above(hi):
                hi *= 2
        while hi - lo > relative * hi:
            middle = _dyadic((lo + hi) / 2, bits)
            lo, hi = (lo, middle) if self.above(middle) else (middle, hi)
        return lo, hi

    def _polished(self, bits: int) -> Fraction:
        """An approximation of rho(T), not trusted. All roots of c lie in Re z <= rho, hence (Gauss-Lucas) those of c' and c'': Newton's method from above
        decreases to rho, quadratically once repeated roots are gone."""
        import numpy as np

        size = self.matrix.nrows()
        entries = np.array([as_float(Fraction(int(x.p), int(x.q))) for x in self.matrix.entries()]).reshape(size, size)
        guess = float(np.abs(np.linalg.eigvals(entries)).max()) if np.isfinite(entries).all() else 1.0
        x = _dyadic(Fraction(guess * (1 + 1e-9)), bits) if 0 < guess < math.inf else Fraction(1)
        simple = self.polynomial / self.polynomial.gcd(self.polynomial.derivative())
        slope = simple.derivative()
        for _ in range(bits.bit_length()):
            step = simple(fmpq_of(x)) / slope(fmpq_of(x)) if slope(fmpq_of(x)) != 0 else fmpq_of(Fraction(0))
            x = _dyadic(x - Fraction(int(step.p), int(step.q)), bits)
            if x <= 0:
                return Fraction(1)
        return x

    def bounds(self, width: Fraction) -> tuple[Fraction, Fraction] | None:
        """Rational ends of L(p), at most `width` apart and of one sign; None where L(p) = -infinity."""
        if self.equals(Fraction(1)):
            return Fraction(0), Fraction(0)
        while True:
            lo, hi = self.radius(min(width / 4, Fraction(1, 16)))
            if not hi:
                return None
            low, high = (log_sum_bounds([(Fraction(1), x)], width / 4) for x in (lo, hi))
            assert low is not None
            assert high is not None
            if not low[0] <= 0 <= high[1]:
                return low[0], high[1]
            width /= 10**6  # rho(T) is an algebraic number other than 1: this ends

    @cached_property
    def sign(self) -> int:
        """The sign of L(p), exactly."""
        return 0 if self.equals(Fraction(1)) else -1 if self.above(Fraction(1)) else 1


def power_family(family: MatrixFamily, k: int) -> tuple[list[list[list[Fraction]]], list[Fraction]]:
    """(matrices, weights) of the family Sym^k A, the identity included: a subject of bare matrices for the trusted checker."""
    size = forms_dimension(family.dimension, k)
    matrices = []
    for matrix in family.matrices:
        rows, scale = symmetric_power(matrix, k)
        matrices.append([[Fraction(x, scale) for x in row] for row in rows])
    weights = list(family.probabilities)
    if rest := remainder(family):
        matrices.append([[Fraction(i == j) for j in range(size)] for i in range(size)])
        weights.append(rest)
    return matrices, weights


def symmetric_power(matrix: tuple[tuple[Fraction, ...], ...], p: int) -> tuple[list[list[int]], int]:
    """(integer rows, s): row alpha holds s (A v)^alpha expanded in the monomials v^beta, |alpha| = |beta| = p, both in the order of `exponents`."""
    d = len(matrix)
    scale = math.lcm(*(x.denominator for row in matrix for x in row))
    integers = [[int(x * scale) for x in row] for row in matrix]
    place = {beta: k for k, beta in enumerate(exponents(d, p))}
    units = [tuple(int(i == j) for j in range(d)) for i in range(d)]
    products: dict[Exponents, dict[Exponents, int]] = {(0,) * d: {(0,) * d: 1}}
    for degree in range(1, p + 1):  # (A v)^alpha from (A v)^(alpha - e_i), i the first index of alpha
        grown = {}
        for alpha in exponents(d, degree):
            i = next(i for i in range(d) if alpha[i])
            grown[alpha] = _times(products[tuple(a - u for a, u in zip(alpha, units[i], strict=True))], integers[i], units)
        products = grown
    rows = []
    for alpha in place:
        row = [0] * len(place)
        for beta, x in products[alpha].items():
            row[place[beta]] = x
        rows.append(row)
    return rows, scale**p


def exponents(d: int, p: int) -> Iterator[Exponents]:
    """All multi-indices of length d and sum p."""
    for bars in itertools.combinations(range(d + p - 1), d - 1):
        edges = (-1, *bars, d + p - 1)
        yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def _times(polynomial: dict[Exponents, int], linear: list[int], units: list[Exponents]) -> dict[Exponents, int]:
    result: dict[Exponents, int] = {}
    for beta, x in polynomial.items():
        for y, unit in zip(linear, units, strict=True):
            if y:
                key = tuple(map(int.__add__, beta, unit))
                result[key] = result.get(key, 0) + x * y
    return result


def _dyadic(number: Fraction, bits: int) -> Fraction:
    """The number with about `bits` significant bits, so that comparisons stay cheap."""
    shift = bits - (abs(number.numerator).bit_length() - number.denominator.bit_length())
    return Fraction(round(number * Fraction(2) ** shift)) / Fraction(2) ** shift
