"""Families that become nonnegative after sign flips: one invariant cone, a linear form, a certificate of kind `linear-cones` with a single cone (S4).

If D A_s D or -D A_s D is nonnegative for a diagonal D of signs, every step maps the cone of the rays D_j e_j into itself up to sign. With the positive form l
that solves l_j = c prod_s (l |A_s|)_j^p_s (a power iteration, as for Perron's vector), lambda >= min_j sum_s p_s log((l |A_s|)_j / l_j); the upper bound comes
from the pieces of the cone, cut where the weighted AM-GM inequality is worst. Any dimension up to 8.

The same for the k-th exterior powers gives lambda >= (lambda_1 + ... + lambda_k)/k from below (THEORY.md, E20), sharper than the determinant (k = d). For SGD
with batch 1 a nonnegative family has all c_i <= 1, but compounds and bare families may be nonnegative where nothing elementary decides.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..family import MatrixFamily
from .question import Bound, Finding, Question

Floats = NDArray[np.float64]
MAX_DIMENSION, MAX_STEPS, PIECES = 8, 200, 600
FORM_SIZE = 10**8
SLACK = 1e-7


def positive_cone(question: Question) -> Finding:
    """Bounds from the flipped orthant, if every step preserves it up to sign."""
    if not 2 <= question.dimension <= MAX_DIMENSION:
        return Finding(f"the steps act on {question.dimension} dimensions, not 2 to {MAX_DIMENSION}")
    if question.why_no_family:
        return Finding(question.why_no_family)
    if not question.family.matrices or len(question.family.matrices) > MAX_STEPS:
        return Finding(f"{len(question.family.matrices)} different steps: the search needs 1 to {MAX_STEPS}")
    return cone_bounds(question.family)


def exterior_powers(question: Question) -> Finding:
    """The best lower bound (1/k) lambda(k-th exterior powers), 1 < k < d, over the k whose compound family preserves a flipped orthant."""
    if not 3 <= question.dimension <= MAX_DIMENSION:
        return Finding(f"the steps act on {question.dimension} dimensions, not 3 to {MAX_DIMENSION}")
    if question.why_no_family:
        return Finding(question.why_no_family)
    d, best = question.dimension, Finding("no exterior power preserves an orthant")
    for power in range(2, d):
        if math.comb(d, power) > MAX_DIMENSION or len(question.family.matrices) > MAX_STEPS:
            continue
        found = cone_bounds(compounds(question.family, power), upper=False).lower
        if found and (best.lower is None or found.value / power > best.lower.value):
            best = Finding("", Bound(found.value / power, {"kind": "exterior", "power": power, "proof": found.proof}))
    return best


def compounds(family: MatrixFamily, power: int) -> MatrixFamily:
    """The k-th compound matrices of the steps (minors on increasing index sets in lexicographic order), step by step, nothing merged."""
    subsets = list(combinations(range(family.dimension), power))
    matrices = tuple(tuple(tuple(_minor(a, rows, columns) for columns in subsets) for rows in subsets) for a in family.matrices)
    return replace(family, matrices=matrices, dimension=len(subsets))


def _minor(a: Any, rows: tuple[int, ...], columns: tuple[int, ...]) -> Fraction:
    """By expansion along the first row: the sets are small."""
    if not rows:
        return Fraction(1)
    rest = rows[1:]
    return sum(((-1) ** k * a[rows[0]][c] * _minor(a, rest, columns[:k] + columns[k + 1 :]) for k, c in enumerate(columns) if a[rows[0]][c]), start=Fraction(0))


def flips(family: MatrixFamily) -> list[int] | None:
    """Signs D_j with D A_s D nonnegative up to the sign of the step, or None: equations over the field of two elements, by elimination."""
    d = family.dimension
    pivots: dict[int, int] = {}
    constant = 1 << (d + len(family.matrices))
    for s, a in enumerate(family.matrices):
        for i in range(d):
            for j in range(d):
                if a[i][j]:
                    row = (1 << i ^ 1 << j) | 1 << (d + s) | (constant if a[i][j] < 0 else 0)
                    while row & (constant - 1):
                        lead = (row & (constant - 1)).bit_length() - 1
                        if lead not in pivots:
                            pivots[lead] = row
                            break
                        row ^= pivots[lead]
                    else:
                        if row:
                            return None
    # Free unknowns are 0; a pivot's row holds only smaller unknowns beside it.
    values = 0
    for lead in sorted(pivots):
        row = pivots[lead]
        odd = (row & values & (constant - 1)).bit_count() & 1
        values |= (odd ^ bool(row & constant)) << lead
    return [-1 if values >> j & 1 else 1 for j in range(d)]


def cone_bounds(family: MatrixFamily, *, upper: bool = True) -> Finding:
    """Both bounds from one cone; the proofs share the cone and the form."""
    signs = flips(family)
    if signs is None:
        return Finding("no choice of signs makes the steps nonnegative")
    matrices, p = family.as_floats()
    if not np.isfinite(matrices).all():
        return Finding("the entries are too large for the search")
    steps, d = np.abs(matrices), family.dimension
    with np.errstate(all="ignore"):
        logs = np.zeros(d)
        for _ in range(2000):
            new = np.clip(p @ np.log(np.exp(logs) @ steps) + (1 - p.sum()) * logs, -30, 30)
            new -= new.max()
            if np.abs(new - logs).max() < 1e-13:
                break
            logs = 0.5 * (logs + new)
        form = np.maximum(1.0, np.rint(np.exp(logs) * FORM_SIZE))
        rates = p @ np.log(form @ steps / form)
        least = float(rates.min())
    rays = [[str(x * (i == j)) for i in range(d)] for j, x in enumerate(signs)]
    shared = {"kind": "linear-cones", "cones": [rays], "forms": [[str(int(x)) for x in form]]}
    label: list[Any] = ["=", *[0] * len(p)]
    lower = Bound(_rounded(least - SLACK, False), shared | {"trees": [[label]]}) if math.isfinite(least) else None
    if not upper:
        return Finding("", lower)
    most, tree = _cut(steps, p, form, label)
    return Finding("", lower, Bound(_rounded(most, True), shared | {"trees": [tree]}))


def _cut(steps: Floats, p: Floats, form: Floats, label: list[Any]) -> tuple[float, list[Any]]:
    """(upper bound, tree): the worst piece is halved at its longest edge (in units in which the form is 1 at the generators), `PIECES` times."""
    d = len(form)
    unit = np.eye(d) / form[:, None]
    heap: list[tuple[float, int]] = []
    nodes: list[Any] = []  # pieces with their bounds, later (edge, children)
    everything = float(p.sum())

    def add(points: Floats, scales: list[int]) -> int:
        growth = np.einsum("i,sij,kj->sk", form, steps, points)  # at points where the form is 1
        means = np.maximum(growth.mean(axis=1), 1e-300)
        peak = float((p @ (growth / means[:, None])).max()) / everything
        multipliers = np.exp(-SLACK) / (means * peak)
        nodes.append([points, scales, multipliers, None])
        heapq.heappush(heap, (float(p @ np.log(multipliers)), len(nodes) - 1))
        return len(nodes) - 1

    add(unit, [int(x) for x in form])  # the checker's rays are so many times as long
    pairs = [(i, j) for i in range(d) for j in range(i)]
    previous = math.inf
    while len(nodes) < 2 * PIECES and -heap[0][0] > -math.inf:
        if len(nodes) % 100 == 99:
            if previous + heap[0][0] < 1e-9:
                break
            previous = -heap[0][0]
        number = heapq.heappop(heap)[1]
        points, scales, _, _ = nodes[number]
        i, j = max(pairs, key=lambda pair: float(np.abs((points[pair[0]] - points[pair[1]]) * form).sum()))
        middle = (points[i] + points[j]) / 2
        new, parts = math.lcm(scales[i], scales[j]), []
        for k in (j, i):  # the checker's order
            part, part_scales = points.copy(), list(scales)
            part[k], part_scales[k] = middle, 2 * new
            parts.append(add(part, part_scales))
        nodes[number][3] = (i, j, new // scales[i], new // scales[j], *parts)

    tree: list[Any] = []
    stack = [0]
    while stack:
        _, _, multipliers, halves = nodes[stack.pop()]
        if halves is None:
            tree.append(label + [str(Fraction(f"{t:.9e}")) for t in multipliers])
        else:
            i, j, a, b, first, second = halves
            tree.append(["/", i, j, str(a), str(b)])
            stack += [second, first]
    return -heap[0][0] + SLACK, tree


def _rounded(value: float, up: bool) -> Fraction:
    return Fraction(math.ceil(value * 10**9) if up else math.floor(value * 10**9), 10**9)
