"""mu, the exponent of gradient descent: max over the nonzero eigenvalues kappa of K of log |1 - eta kappa / N|. Exact sign, any number of digits.

With momentum beta and weight decay omega an eigenvector of K moves by t^2 - x t + beta, x = 1 + beta - eta (omega + kappa / N): mu is the log of the largest
modulus R(|x|) of a root, sqrt(beta) if |x| <= 2 sqrt(beta), else (|x| + sqrt(x^2 - 4 beta))/2. R is nondecreasing, so the extreme eigenvalues decide.

The eigenvalues are the roots of the characteristic polynomial, enclosed by python-flint; of X^T X where that is smaller.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..balls import PRECISIONS, ends, fmpq_of, log_sum_bounds, log_sum_expression, outward
from ..minimum import Minimum
from ..optimiser import GradientDescent, Optimiser
from ..result import as_float
from .question import Bound, Finding

# Above this dimension the exact characteristic polynomial takes long, and floating-point eigenvalues propose the bounds.
LARGE, SIGN_ONLY = 48, 64


@dataclass(frozen=True)
class Spectrum:
    """Characteristic polynomial of scale * K (or scale * X^T X), zero eigenvalues removed, constant term first."""

    coefficients: tuple[int, ...]
    scale: int

    @classmethod
    def of(cls, minimum: Minimum) -> Spectrum:
        from flint import fmpz_mat

        rows = minimum.gram
        if minimum.features is not None and len(minimum.features[0]) < len(rows):
            columns = list(zip(*minimum.features, strict=True))
            rows = tuple(tuple(sum((x * y for x, y in zip(u, v, strict=True)), start=Fraction(0)) for v in columns) for u in columns)
        scale = math.lcm(*(x.denominator for row in rows for x in row))
        integers = fmpz_mat([[int(x * scale) for x in row] for row in rows])
        coefficients = [int(c) for c in integers.charpoly().coeffs()]
        zeros = next(i for i, c in enumerate(coefficients) if c)
        return cls(tuple(coefficients[zeros:]), scale)

    def has(self, kappa: Fraction) -> bool:
        """Whether kappa is an eigenvalue, exactly."""
        x = kappa * self.scale
        value = Fraction(0)
        for c in reversed(self.coefficients):
            value = value * x + c
        return value == 0

    def count_above(self, kappa: Fraction) -> int:
        """Number of eigenvalues above kappa, exactly: Descartes' rule of signs is an equality for real-rooted polynomials."""
        from flint import fmpq_poly

        shifted = fmpq_poly(list(self.coefficients))(fmpq_poly([fmpq_of(kappa * self.scale), 1]))
        signs = [c > 0 for c in shifted.coeffs() if c != 0]
        return sum(a != b for a, b in itertools.pairwise(signs))

    def extremes(self, precision: int) -> tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]:
        """Enclosures of the smallest and the largest nonzero eigenvalue."""
        from flint import ctx, fmpz_poly

        with ctx.workprec(precision):
            found: Any = fmpz_poly(list(self.coefficients)).complex_roots()
            roots = [ends(root.real) for root, _ in found]
        low, high = min(lo for lo, _ in roots), max(hi for _, hi in roots)
        smallest = (low, min(hi for _, hi in roots))
        largest = (max(lo for lo, _ in roots), high)
        return (smallest[0] / self.scale, smallest[1] / self.scale), (largest[0] / self.scale, largest[1] / self.scale)

    def radical(self, near: tuple[Fraction, Fraction], precision: int) -> str | None:
        """The eigenvalue that the enclosure holds, by radicals, if it is certain that it is a root of an irreducible factor of degree 1 or 2.

        Every factor's roots are enclosed; if exactly one root of one factor meets `near`, it is the eigenvalue.
        """
        from flint import ctx, fmpz_poly

        matches: list[tuple[list[int], int]] = []
        with ctx.workprec(precision):
            for factor, _ in fmpz_poly(list(self.coefficients)).factor()[1]:
                found: Any = factor.complex_roots()
                balls = sorted(ends(root.real) for root, _ in found)
                meeting = [k for k, (lo, hi) in enumerate(balls) if lo / self.scale <= near[1] and near[0] <= hi / self.scale]
                matches += [([int(x) for x in factor.coeffs()], k) for k in meeting]
        if len(matches) != 1 or len(matches[0][0]) > 3:
            return None
        c, which = matches[0]
        if len(c) == 2:
            return str(Fraction(-c[0], c[1]) / self.scale)
        centre, discriminant = Fraction(-c[1], 2 * c[2]) / self.scale, Fraction(c[1] ** 2 - 4 * c[0] * c[2], 4 * c[2] ** 2 * self.scale**2)
        return f"{centre} {'+' if which else '-'} sqrt({discriminant})"


@dataclass(frozen=True)
class Recursion:
    """t^2 - x t + beta with x = center - rate kappa: how gradient descent moves along an eigenvector of K."""

    center: Fraction
    rate: Fraction
    beta: Fraction

    @classmethod
    def of(cls, minimum: Minimum, optimiser: Optimiser) -> Recursion:
        eta, beta = optimiser.step_size, optimiser.momentum
        return cls(1 + beta - eta * optimiser.weight_decay, eta / minimum.size, beta)

    def sides(self, kappas: tuple[tuple[Fraction, Fraction], ...]) -> list[tuple[Fraction, Fraction]]:
        """Enclosures of |x| from enclosures of kappa."""
        return [_absolute(self.center - hi * self.rate, self.center - lo * self.rate) for lo, hi in kappas]

    def radius(self, x: Fraction, bits: int, up: bool) -> Fraction:
        """R(x), x >= 0, rounded in the direction asked for; exact where it is rational."""
        if not self.beta:
            return x
        inside = x * x - 4 * self.beta
        return _root(self.beta, bits, up) if inside <= 0 else (x + _root(inside, bits, up)) / 2

    def exact_radius(self, x: Fraction) -> Fraction | None:
        """R(x) where it is rational."""
        below, above = self.radius(x, 64, False), self.radius(x, 64, True)
        return below if below == above else None

    def expression(self, kappa: str) -> str:
        """log R(|x|) for |x| > 2 sqrt(beta) as SymPy-parsable text."""
        x = f"Abs({self.center} - ({self.rate})*({kappa}))"
        return f"log(({x} + sqrt({x}**2 - {4 * self.beta}))/2)" if self.beta else f"log({x})"


def gd_finding(minimum: Minimum, optimiser: Optimiser, width: Fraction | None) -> Finding:
    """Bounds on mu, for the full batch with the optimiser's momentum and weight decay, at the given width (default 1e-12), tight enough to show its sign;
    exact zero and -infinity are recognised.

    Proofs are of kind `gd`: the inertia of K - cI at two rational c for each bound.
    """
    moves = Recursion.of(minimum, optimiser)
    target = width if width is not None else Fraction(1, 10**12)
    if _dimension(minimum) > LARGE and (width is None or width >= Fraction(1, 10**9)) and (proposed := _from_floats(minimum, moves)):
        return proposed
    spectrum = Spectrum.of(minimum)
    edge = 1 + moves.beta  # R(1 + beta) = 1
    unit, crossing = moves.center / moves.rate, (moves.center + edge) / moves.rate  # the eigenvalues at which x = 0 and x = -(1 + beta)
    if crossing > 0 and spectrum.has(crossing) and not spectrum.count_above(crossing):
        one = {"kind": "gd", "radius": "1"}
        text = "2N/eta" if optimiser.plain else "N (2 (1 + beta)/eta - omega)"
        return Finding(f"the largest eigenvalue is exactly {text}", Bound(Fraction(0), one), Bound(Fraction(0), one), "0")
    smallest, largest = spectrum.extremes(64)
    if not moves.beta and unit > 0 and smallest[0] <= unit <= largest[1] and _is_only(spectrum, unit):
        return Finding("one step ends it: all nonzero eigenvalues are equal", None, Bound(Fraction(0), {"kind": "gd", "radius": "0"}, True), "-oo")
    for precision in PRECISIONS:
        smallest, largest = spectrum.extremes(precision)
        sides = moves.sides((smallest, largest))
        low, high = max(lo for lo, _ in sides), max(hi for _, hi in sides)
        if (low <= 0 and not moves.beta) or low <= edge <= high:  # mu is finite and not zero, so a higher precision separates it
            continue
        oscillates = moves.beta > 0 and high * high <= 4 * moves.beta
        x = high if oscillates else _rational_side(spectrum, (smallest, largest), sides, moves, precision)
        exact = None if x is None else moves.exact_radius(x)
        if exact is not None:
            return _exact_log(exact, target)
        low, high = moves.radius(low, precision, False), moves.radius(high, precision, True)
        rough = min(abs(_log_end(low, precision, False)), abs(_log_end(high, precision, True)))
        fine = min(target, rough / 2)
        low, high = _short(low, high, fine)
        lo, hi = _log_end(low, precision, False), _log_end(high, precision, True)
        if hi - lo <= fine / 2:
            lo, hi = outward(lo, hi, fine)
            winner = 0 if sides[0][1] > sides[1][1] else 1
            clear = sides[1 - winner][1] < sides[winner][0] and sides[winner][0] ** 2 > 4 * moves.beta
            kappa = spectrum.radical((smallest, largest)[winner], precision) if clear else None
            expression = f"log({moves.beta})/2" if oscillates else moves.expression(kappa) if kappa else None
            return Finding("", Bound(lo, {"kind": "gd", "radius": str(low)}), Bound(hi, {"kind": "gd", "radius": str(high)}), expression)
    return Finding(f"no enclosure of width {target} with {PRECISIONS[-1]} bits")


def _dimension(minimum: Minimum) -> int:
    """Degree of the characteristic polynomial that `Spectrum` works with."""
    return len(minimum.gram) if minimum.features is None else min(len(minimum.gram), len(minimum.features[0]))


def _from_floats(minimum: Minimum, moves: Recursion) -> Finding | None:
    """Bounds from floating-point eigenvalues, for the checker's inertia to confirm; None where they do not separate |x| from 1 + beta (and 0)."""
    import numpy as np

    kappa = np.linalg.eigvalsh(minimum.gram_floats())
    nonzero, center, rate, beta = kappa[-minimum.rank :], as_float(moves.center), as_float(moves.rate), as_float(moves.beta)
    value = max(abs(center - rate * nonzero[0]), abs(center - rate * nonzero[-1]))
    # Backward error of the eigenvalues, with a margin; a bound that misses the truth is refused by the checker.
    slack = max(1e-11 * value, 1e-13 * len(kappa) * rate * float(abs(kappa).max()))
    if not np.isfinite(value) or abs(value - 1 - beta) <= 4 * slack or (value <= 4 * slack and not beta):
        return None
    if _dimension(minimum) > SIGN_ONLY:  # one inertia of short integers instead of four of long ones
        bound = Bound(Fraction(0), {"kind": "gd", "radius": "1"}, True)
        return Finding("", upper=bound) if value < 1 + beta else Finding("", lower=bound)
    exact = [moves.radius(Fraction(max(0.0, value + side * slack)), 64, side > 0) * (1 + side * Fraction(bool(beta), 10**14)) for side in (-1, 1)]
    radii = [x.limit_denominator(10**15) for x in exact]
    logs = [log_sum_bounds([(Fraction(1), radius)], Fraction(1, 10**14)) for radius in radii]
    if logs[0] is None or logs[1] is None or logs[0][0] <= 0 <= logs[1][1]:
        return None
    return Finding("", Bound(logs[0][0], {"kind": "gd", "radius": str(radii[0])}), Bound(logs[1][1], {"kind": "gd", "radius": str(radii[1])}))


def gd_threshold(minimum: Minimum, width: Fraction, optimiser: Optimiser | None = None) -> tuple[Fraction, Fraction, str | None]:
    """(lo, hi, radicals or None): the step size 2N/kappa_max below which mu < 0 and above which mu > 0.

    With the optimiser's momentum beta and weight decay omega (its step size plays no part) it is 2 (1 + beta)/(kappa_max/N + omega): |x| < 1 + beta there.
    """
    how = GradientDescent(1) if optimiser is None else optimiser
    top, shift = 2 * minimum.size * (1 + how.momentum), minimum.size * how.weight_decay
    spectrum = Spectrum.of(minimum)
    for precision in PRECISIONS:
        _, (low, high) = spectrum.extremes(precision)
        if low > 0 and (lo := top / (high + shift)) and (hi := top / (low + shift)) - lo <= width / 2:
            kappa = spectrum.radical((low, high), precision)
            if kappa is not None and "sqrt" not in kappa:
                exact = top / (Fraction(kappa) + shift)
                return exact, exact, str(exact)
            lo, hi = outward(lo, hi, width)
            return lo, hi, f"{top}/({f'{shift} + ' if shift else ''}{kappa})" if kappa else None
    raise ArithmeticError(f"no enclosure of width {width} with {PRECISIONS[-1]} bits")


def _is_only(spectrum: Spectrum, kappa: Fraction) -> bool:
    """Whether all nonzero eigenvalues equal kappa: the polynomial is a power of one linear factor."""
    from flint import fmpz_poly

    factors = fmpz_poly(list(spectrum.coefficients)).factor()[1]
    return len(factors) == 1 and len(factors[0][0].coeffs()) == 2 and spectrum.has(kappa)


def _absolute(lo: Fraction, hi: Fraction) -> tuple[Fraction, Fraction]:
    if lo > 0:
        return lo, hi
    return (-hi, -lo) if hi < 0 else (Fraction(0), max(-lo, hi))


def _rational_side(
    spectrum: Spectrum, kappas: tuple[Any, Any], sides: list[tuple[Fraction, Fraction]], moves: Recursion, precision: int
) -> Fraction | None:
    """The deciding |x| exactly, if its eigenvalue is rational."""
    winner = 0 if sides[0][1] >= sides[1][1] else 1
    text = spectrum.radical(kappas[winner], precision)
    if text is None or "sqrt" in text:
        return None
    value = abs(moves.center - moves.rate * Fraction(text))
    other = sides[1 - winner]
    return value if other[1] <= value or kappas[0] == kappas[1] else None


def _root(number: Fraction, bits: int, up: bool) -> Fraction:
    """sqrt(number) >= 0 to about `bits` bits, rounded in the direction asked for; exact where it is rational."""
    top, bottom = math.isqrt(number.numerator), math.isqrt(number.denominator)
    if top * top == number.numerator and bottom * bottom == number.denominator:
        return Fraction(top, bottom)
    shift = 2 * bits + max(0, number.denominator.bit_length() - number.numerator.bit_length() + 1)
    shift += shift % 2
    return Fraction(math.isqrt((number.numerator << shift) // number.denominator) + up, 1 << (shift // 2))


def _exact_log(value: Fraction, width: Fraction) -> Finding:
    proof = {"kind": "gd", "radius": str(value)}
    bounds = log_sum_bounds([(Fraction(1), value)], width)
    assert bounds is not None
    if value != 1 and (bounds[0] <= 0 <= bounds[1]):
        return _exact_log(value, width / 1000)
    lo, hi = bounds
    return Finding("", Bound(lo, proof), Bound(hi, proof), log_sum_expression([(Fraction(1), value)]))


def _log_end(number: Fraction, precision: int, up: bool) -> Fraction:
    from flint import arb, ctx

    with ctx.workprec(precision + 64):
        return ends(arb(fmpq_of(number)).log())[1 if up else 0]


def _short(low: Fraction, high: Fraction, width: Fraction) -> tuple[Fraction, Fraction]:
    """Short rationals just outside [low, high], so close that the rounding of the logarithm absorbs them."""
    scale = 2 ** (max(0, (1 / (width * low)).__ceil__().bit_length()) + 6)
    return Fraction((low * scale).__floor__(), scale), Fraction((high * scale).__ceil__(), scale)
