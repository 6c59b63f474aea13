"""Proofs of kind `linear-cones` (S4) in the plane, for weights whose common denominator is too large for forms: vertex tests below, AM-GM multipliers above."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ._drift import settle
from ._forms import Candidate
from ._model import Floats, SearchFailed
from ._numbers import rounded, short


def ratios(candidate: Candidate, values: Floats) -> tuple[Floats, Floats]:
    """L_s / L_0 at both generators of every piece, shape (m, pieces) each; `values` are the linear form's logarithms at the generators of the cones."""
    geometry = candidate.geometry
    cones = np.array(geometry.cone)
    gauge = values.max(axis=1)
    table = np.exp(values - gauge[:, None])
    results = []
    for start in (True, False):
        here = np.array(geometry.start if start else geometry.end, dtype=np.float64)
        base = np.log((table[cones] * here).sum(axis=1)) + gauge[cones]
        rows = []
        for label, image, scale in zip(geometry.label, geometry.images, geometry.scale, strict=True):
            target = np.array(label)
            excess = max(0, max(max(v) for v in image).bit_length() - 900)
            there = np.array([[x >> excess for x in (v[:2] if start else v[2:])] for v in image], dtype=np.float64)
            scales = math.log(scale) - excess * math.log(2) + np.array([math.log(cone.det) for cone in geometry.cones])[target]
            with np.errstate(divide="ignore"):
                rows.append(np.log((table[target] * there).sum(axis=1)) + gauge[target] - scales - base)
        results.append(np.array(rows))
    return results[0], results[1]


def multipliers(p: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """(log t_s of shape (m, pieces), the bounds -sum p_s log t_s): t_s = 1 / (gamma L_s) at the maximiser x of the concave sum p_s log L_s between the
    generators (L_0 = 1), gamma the larger of the two values of sum p_s L_s(e_j) / L_s(x). Arguments are logarithms of L_s / L_0; p sums to one.
    """
    gauge = np.maximum(np.maximum(first, second), -700.0)
    a, b = np.exp(first - gauge), np.exp(second - gauge)
    weight = p[:, None]
    low, high = np.zeros(a.shape[1]), np.ones(a.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(50):
            x = 0.5 * (low + high)
            rising = (weight * (b - a) / (a + x * (b - a))).sum(axis=0) > 0
            low, high = np.where(rising, x, low), np.where(rising, high, x)
    at = np.maximum(a + 0.5 * (low + high) * (b - a), 1e-300)
    gamma = np.maximum((weight * a / at).sum(axis=0), (weight * b / at).sum(axis=0))
    log_t = -np.log(at) - gauge - np.log(gamma)
    return log_t, -(weight * log_t).sum(axis=0)


def prove_linear(candidate: Candidate, upper: bool) -> tuple[Fraction, dict[str, Any]]:
    """(y, proof of lambda <= y or >= y)."""
    sign = candidate.sign_or_fail(upper)
    model, cones, h, geometry = candidate.model, candidate.cones, candidate.forms, candidate.geometry
    margin = candidate.margin
    bits = min(54, max(4, math.ceil(-math.log2(0.25 * margin))))
    levels = np.array([cone.level for cone in geometry.cones]) * math.log(2)
    logs = h.height[:, None] + np.log(h.bernstein) + levels[:, None]

    def residual(values: Floats) -> Floats:
        first, second = ratios(candidate, values)
        if upper:
            return multipliers(model.p, first, second)[1]
        result: Floats = np.minimum(model.p @ first, model.p @ second)
        return result

    drift = settle(model.p, geometry.floats, residual(logs), upper, np.zeros(cones.size), 0.1 * margin, 3000)
    coefficients = rounded(h.height + drift.delta, h.bernstein, [cone.level for cone in geometry.cones], 1, bits)
    values = np.array([[math.log(c) for c in row] for row in coefficients])
    reached = residual(values)
    bound = float(reached.max() if upper else reached.min())
    if not math.isfinite(bound):
        raise SearchFailed("the linear forms give no finite bound")
    # the residuals are logarithms of the given steps, not of the scaled ones
    y = short(model.total * (bound + sign * margin), 0.5 * margin * model.total, upper)
    proof = candidate.proof("linear-cones", coefficients)
    if upper:
        log_t = multipliers(model.p, *ratios(candidate, values))[0] - 0.5 * margin
        proof["trees"] = with_multipliers(geometry.trees, rational(log_t, bits + 3))
    return y, proof


def rational(log_t: Floats, bits: int) -> list[list[str]]:
    """Rationals at most exp(log t), to `bits` bits, per piece."""
    exponent = np.floor(log_t / math.log(2))
    mantissa = np.floor(np.exp(log_t - exponent * math.log(2)) * 2.0**bits)
    result = []
    for whole, top in zip(exponent.T.tolist(), mantissa.T.tolist(), strict=True):
        result.append([str(Fraction(int(x)) * Fraction(2) ** (int(e) - bits)) for e, x in zip(whole, top, strict=True)])
    return result


def with_multipliers(trees: list[list[list[object]]], extra: list[list[str]]) -> list[list[list[object]]]:
    """Append the multipliers of every piece to its leaf, in the order of the leaves."""
    position = iter(extra)
    return [[[*node, *next(position)] if node[0] == "=" else node for node in tree] for tree in trees]
