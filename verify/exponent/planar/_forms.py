"""Proofs of kind `planar-forms` (S5): round the forms, choose rho, test every piece exactly, loosen where a test fails."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

import numpy as np
from flint import fmpz_poly

from ...family import MatrixFamily
from ._drift import settle
from ._geometry import Geometry, Ray
from ._model import Cones, Floats, Model, SearchFailed
from ._poisson import Forms, residuals

MARGIN = 0.02  # of the width, given away to rounding
DEPTH = 6  # bisections allowed to a piece


def short(y: float, step: float, upper: bool) -> Fraction:
    """A decimal number at or beyond y, on its safe side, within about `step`."""
    digits = max(0, math.ceil(-math.log10(step))) if step > 0 else 18
    unit = Fraction(1, 10**digits)
    quotient = Fraction(y) / unit
    return (math.ceil(quotient) if upper else math.floor(quotient)) * unit


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


def along(form: list[int], start: Ray, end: Ray) -> fmpz_poly:
    """F(start + t end) as a polynomial in t."""
    x0, x1 = fmpz_poly([start[0], end[0]]), fmpz_poly([start[1], end[1]])
    total, power = fmpz_poly([form[-1]]), fmpz_poly([1])
    for c in reversed(form[:-1]):
        power = power * x0
        total = total * x1 + c * power
    return total


def one_sign(polynomial: fmpz_poly, degree: int, strict: bool, depth: int) -> bool:
    """All values of the binary form of that degree are >= 0 (strict: > 0) on the quadrant: coefficient signs, else bisection at t = 1."""
    c = [int(x) for x in polynomial.coeffs()]
    c += [0] * (degree + 1 - len(c))
    if c[0] < 0 or c[-1] < 0 or (strict and not (c[0] and c[-1])):
        return False
    if min(c) >= 0:
        return True
    if depth == 0:
        return False
    moved = fmpz_poly([1, 1])
    return one_sign(fmpz_poly(c)(moved), degree, strict, depth - 1) and one_sign(fmpz_poly(c[::-1])(moved), degree, strict, depth - 1)


def failing(geometry: Geometry, powers: tuple[int, ...], q: int, forms: list[list[int]], rho: Fraction, upper: bool, strict: bool) -> list[int]:
    """The pieces on which prod_s F_{k_s}(A_s v)^{P_s} - rho F_k(v)^{sum P_s} has not the wanted sign."""
    sign = -1 if upper else 1
    total = sum(powers)
    top, bottom = rho.numerator, rho.denominator
    result = []
    for j in unclear(geometry, powers, q, forms, rho, upper):
        piece = geometry.pieces[j]
        here = along(forms[piece.cone], piece.start, piece.end) ** total
        there, scale = fmpz_poly([1]), 1
        for label, (x, y), power, factor in zip(piece.labels, piece.images, powers, piece.scales, strict=True):
            there *= along(forms[label], (x[0], x[1]), (y[0], y[1])) ** power
            scale *= factor ** (q * power)
        difference = sign * (bottom * there - (top * scale) * here)
        if not one_sign(difference, q * total, strict, DEPTH):
            result.append(j)
    return result


def unclear(geometry: Geometry, powers: tuple[int, ...], q: int, forms: list[list[int]], rho: Fraction, upper: bool) -> list[int]:
    """The pieces that floats cannot clear: coefficients of there / here are compared with rho, all terms positive, error bound included."""
    count = len(geometry.pieces)
    try:
        table = np.array([[float(c) for c in row] for row in forms])
        gauge = table.max(axis=1)
        cone = np.array([piece.cone for piece in geometry.pieces])

        def coefficients(k: list[int], ends: list[tuple[Ray, Ray]]) -> tuple[Floats, Floats]:
            c = np.array([[*x, *y] for x, y in ends], dtype=np.float64)
            size = np.maximum(c.max(axis=1), 1e-300)
            c /= size[:, None]
            index = np.array(k)
            normal = table[index] / gauge[index][:, None]
            acc, power = normal[:, q:], np.ones((count, 1))
            for j in range(q - 1, -1, -1):
                power = convolve(power, c[:, [0, 2]])
                acc = convolve(acc, c[:, [1, 3]]) + normal[:, j : j + 1] * power
            return acc, q * np.log(size) + np.log(gauge[index])

        here, here_log = coefficients(cone.tolist(), [(piece.start, piece.end) for piece in geometry.pieces])
        base, logs = here, sum(powers) * here_log
        for _ in range(sum(powers) - 1):
            base = convolve(base, here)
        there = np.ones((count, 1))
        for s, power in enumerate(powers):
            image, image_log = coefficients([piece.labels[s] for piece in geometry.pieces], [piece.images[s] for piece in geometry.pieces])
            logs = logs - power * (image_log - q * np.log(np.array([float(piece.scales[s]) for piece in geometry.pieces])))
            for _ in range(power):
                there = convolve(there, image)
        limit = np.log(rho.numerator) - np.log(rho.denominator) + logs
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(there) - np.log(base) - limit[:, None]
        slack = 1e-14 * (20 * q * sum(powers)) + 4e-16 * np.abs(logs)[:, None] * 4
        clear = (ratio < -slack).all(axis=1) if upper else (ratio > slack).all(axis=1)
        return [int(j) for j in np.flatnonzero(~clear)]
    except OverflowError:
        return list(range(count))


def convolve(a: Floats, b: Floats) -> Floats:
    result = np.zeros((a.shape[0], a.shape[1] + b.shape[1] - 1))
    for j in range(b.shape[1]):
        result[:, j : j + a.shape[1]] += a * b[:, j : j + 1]
    return result


def prove(
    family: MatrixFamily, model: Model, cones: Cones, h: Forms, geometry: Geometry, upper: bool, width: float, passes: int = 6
) -> tuple[Fraction, dict[str, object]]:
    """(y, proof of lambda <= y or >= y). `width` is the width wanted, in units of the model: roundings cost a small share of it."""
    sign = 1.0 if upper else -1.0
    low, high = residuals(model, cones, geometry.floats, h, 4 * h.q + 9)
    residual = high if upper else low
    if not np.isfinite(residual).all():
        raise SearchFailed("a kernel of a singular step lies in the cones, so there is no lower bound")
    powers = family.integer_weights
    total, q = sum(powers), h.q
    common = family.common_weight
    inflation = np.zeros(residual.size)
    delta = np.zeros(cones.size)
    margin = max(MARGIN * width, 4e-16)
    bits = min(56, max(4, math.ceil(-math.log2(margin * q)) + 1))
    for _ in range(passes):
        drift = settle(model.p, geometry.floats, residual + sign * inflation, upper, delta, 0.1 * margin, 3000 if cones.size < 3000 else 300)
        delta = drift.delta
        y = short(model.total * (drift.bound + sign * margin + model.offset), 0.5 * margin * model.total, upper)
        rho = exponential(y * q * common, max(8, math.ceil(-math.log2(0.5 * margin * q * total)) + 1), upper)
        coefficients = rounded(h.height + delta, h.bernstein, [cone.level for cone in geometry.cones], q, bits)
        bad = failing(geometry, powers, q, coefficients, rho, upper, strict=False)
        if not bad:
            proof = {
                "kind": "planar-forms",
                "degree": q,
                "rho": str(rho),
                "cones": [[[str(x) for x in e] for e in cone.generators] for cone in geometry.cones],
                "forms": [[str(c) for c in row] for row in coefficients],
                "trees": geometry.trees,
            }
            return y, proof
        rows = np.array(bad)
        inflation[rows] = np.maximum(2.0 * inflation[rows], np.maximum(0.3 * (high - low)[rows], margin))
        margin *= 1.15
    raise SearchFailed(f"{len(bad)} of {residual.size} pieces fail the exact test")
