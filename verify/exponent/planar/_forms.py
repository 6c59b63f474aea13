"""Proofs of kind `planar-forms` (S5): round the forms, choose rho, test every piece exactly, loosen where a test fails."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpz_poly

from ...family import MatrixFamily
from ._drift import settle
from ._geometry import Geometry, Square
from ._model import Cones, Ints, Model, SearchFailed
from ._numbers import exponential, rounded, short
from ._poisson import Forms, residuals
from ._screen import Screen

MARGIN = 0.02  # of the width, given away to rounding
PASSES, FEW = 9, 3  # of repair: pieces that fail are loosened and the cones' scalars settled again
DEPTH = 6  # bisections allowed to a piece


def along(form: list[int], ends: Square) -> fmpz_poly:
    """F((x0, x1) + t (y0, y1)) as a polynomial in t, for ends = (x0, x1, y0, y1)."""
    x0, x1 = fmpz_poly([ends[0], ends[2]]), fmpz_poly([ends[1], ends[3]])
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


def failing(
    geometry: Geometry, suspects: Ints, powers: tuple[int, ...], q: int, forms: list[list[int]], rho: Fraction, upper: bool, strict: bool = False
) -> list[int]:
    """The suspects on which prod_s F_{k_s}(A_s v)^{P_s} - rho F_k(v)^{sum P_s} has not the wanted sign, decided exactly."""
    sign = -1 if upper else 1
    total = sum(powers)
    result = []
    for j in suspects.tolist():
        here = along(forms[geometry.cone[j]], (*geometry.start[j], *geometry.end[j])) ** total
        there, scale = fmpz_poly([1]), 1
        for s, power in enumerate(powers):
            label = geometry.label[s][j]
            there *= along(forms[label], geometry.images[s][j]) ** power
            scale *= (geometry.scale[s] * geometry.cones[label].det) ** (q * power)
        difference = (sign * rho.denominator) * there - (sign * rho.numerator * scale) * here
        if not one_sign(difference, q * total, strict, DEPTH):
            result.append(j)
    return result


@dataclass(frozen=True)
class Candidate:
    """What the search found: a float solution and the exact cones under it. `width` (in units of the model) sets the precision of the roundings."""

    family: MatrixFamily
    model: Model
    cones: Cones
    forms: Forms
    geometry: Geometry
    width: float

    @property
    def margin(self) -> float:
        """What the roundings may cost."""
        return max(MARGIN * self.width, 4e-16 * (1.0 + abs(self.model.offset)))

    def sign_or_fail(self, upper: bool) -> float:
        """1.0 for an upper bound, -1.0 for a lower one, which a kernel in the cones rules out."""
        if not upper and any(
            singular and any(not any(image[:2]) or not any(image[2:]) for image in images)
            for singular, images in zip(self.model.singular, self.geometry.images, strict=True)
        ):
            raise SearchFailed("a singular step has its kernel in the cones, so they give no lower bound")
        return 1.0 if upper else -1.0

    def proof(self, kind: str, coefficients: list[list[int]], **more: object) -> dict[str, Any]:
        return {
            "kind": kind,
            **more,
            "cones": [[[str(x) for x in e] for e in cone.generators] for cone in self.geometry.cones],
            "forms": [[str(c) for c in row] for row in coefficients],
            "trees": self.geometry.trees,
        }


def prove(candidate: Candidate, screen: Screen, upper: bool, deadline: float) -> tuple[Fraction, dict[str, Any]]:
    """(y, proof of lambda <= y or >= y); raises SearchFailed if the pieces do not pass. Past the deadline only FEW passes are made."""
    family, model, cones, h, geometry = candidate.family, candidate.model, candidate.cones, candidate.forms, candidate.geometry
    sign = candidate.sign_or_fail(upper)
    low, high = residuals(model, cones, geometry.floats, h, 4 * h.q + 9)
    residual = high if upper else low
    powers, q, common = family.integer_weights, h.q, family.common_weight
    inflation, delta = np.zeros(residual.size), np.zeros(cones.size)
    margin = candidate.margin
    bits = min(56, max(4, math.ceil(-math.log2(margin * q)) + 1))
    bad: list[int] = []
    for count in range(PASSES):
        if count >= FEW and time.monotonic() > deadline:
            break
        drift = settle(model.p, geometry.floats, residual + sign * inflation, upper, delta, 0.1 * margin, 1000 if cones.size < 500 else 300)
        delta = drift.delta
        y = short(model.total * (drift.bound + sign * margin + model.offset), 0.5 * margin * model.total, upper)
        if abs(y) * q * common > 4000:
            raise SearchFailed("rho would have more digits than a certificate may hold")
        rho = exponential(y * q * common, max(8, math.ceil(-math.log2(0.5 * margin * q * sum(powers))) + 1), upper)
        coefficients = rounded(h.height + delta, h.bernstein, [cone.level for cone in geometry.cones], q, bits)
        bad = failing(geometry, screen.suspects(coefficients, rho, upper), powers, q, coefficients, rho, upper)
        if not bad:
            return y, candidate.proof("planar-forms", coefficients, degree=q, rho=str(rho))
        rows = np.array(bad)
        inflation[rows] = np.maximum(2.0 * inflation[rows], np.maximum(0.3 * (high - low)[rows], max(margin, 1e-15)))
        margin *= 1.15
    raise SearchFailed(f"{len(bad)} of {residual.size} pieces fail the exact test")
