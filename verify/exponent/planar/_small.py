"""Sign certificates that a person can check by hand: few cones, small integers, rho = 1.

From the float search comes the set of directions J that has to be covered and the sign to prove; cones between short rays are tried on it, coarse ones
first, with forms of low degree, and the coefficients are rounded as far as the exact test allows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np

from ...family import MatrixFamily
from ._drift import settle
from ._forms import Candidate, failing
from ._geometry import Cut, ExactCone, Geometry, Leaf, Ray, det, integral, label_leaves, plant, simplest, stab
from ._model import Cones, Model, SearchFailed
from ._poisson import collocate, forms, residuals
from ._refine import refine
from ._search import LARGEST_DEGREE, NUMERICAL

LEVELS = 7
ROOM = (0.02, 0.06, 0.15, 0.3)  # how far beyond J, relative to its length, the end of a cone may lie
Arc = tuple[float, float]  # directions u; the end may exceed 3


def short_ray(low: float, high: float) -> Ray:
    """A ray of small integers with a direction in [low, high]."""
    low, high = (low - 4, high - 4) if low >= 3 else (low, high)
    for a, b, offset in ((low, high, 0), (low, high, 2), (low, high, 4)):
        lo, hi = a - offset, b - offset  # around 0, 2 = (0, 1) and 4 = 0
        if lo <= 0 <= hi:
            x, y = 1, 0
        elif offset != 4 and (lo > 1 or hi < -1):
            continue
        else:
            x, y = simplest(max(min(abs(lo), abs(hi)), 1e-9), max(abs(lo), abs(hi)))
            y = y if lo > 0 else -y
        return (x, y) if offset != 2 else (-y, x)
    raise SearchFailed("no short ray")


def wanted_arcs(cones: Cones) -> list[Arc]:
    """The connected components of the union of the kept tiles."""
    n = cones.nodes.size - 1
    kept = cones.number >= 0
    if kept.all():
        return [(-1.0, 3.0)]
    first = int(np.flatnonzero(~kept)[0])
    arcs: list[Arc] = []
    for step in range(1, n + 1):
        tile = (first + step) % n
        if not kept[tile]:
            continue
        turn = 4.0 if first + step >= n else 0.0
        left, right = float(cones.nodes[tile]) + turn, float(cones.nodes[tile + 1]) + turn
        if arcs and abs(arcs[-1][1] - left) < 1e-12:
            arcs[-1] = (arcs[-1][0], right)
        else:
            arcs.append((left, right))
    return arcs


def covers(arcs: list[Arc], count: int) -> Iterator[list[Arc]]:
    """Ways to write the arcs as `count` overlapping ones."""
    if len(arcs) > count:
        return
    extra = count - len(arcs)
    longest = max(range(len(arcs)), key=lambda i: arcs[i][1] - arcs[i][0])
    left, right = arcs[longest]
    around = right - left >= 4.0 - 1e-9
    if extra == 0 and not around:
        yield arcs
    if extra == 0:
        return
    grid = [i / 8 for i in range(1, 8)]
    for points in combinations(grid, extra):
        marks = [0.0, *points, 1.0]
        for overlap in (0.03, 0.1):
            pieces = []
            for a, b in pairwise(marks):
                low = a - overlap if a > 0 or around else a
                high = b + overlap if b < 1 or around else b
                pieces.append((left + low * (right - left), left + high * (right - left)))
            yield [*arcs[:longest], *pieces, *arcs[longest + 1 :]]


def snapped(arc: Arc, room: float, shift: int) -> tuple[Ray, Ray]:
    """Short generators just outside the arc, counterclockwise, in the family's own coordinates."""
    slack = room * min(arc[1] - arc[0], 1.0)
    ends = []
    for low, high in ((arc[0] - slack, arc[0]), (arc[1], arc[1] + slack)):
        low, high = (low + 4, high + 4) if low < -1 else (low, high)
        x, y = short_ray(low, high)
        ends.append((x << max(-shift, 0), y << max(shift, 0)))
    e, f = ends
    return (e, f) if det(e, f) > 0 else (e, (-f[0], -f[1]))


@dataclass(frozen=True)
class Cover:
    exact: list[ExactCone]
    cones: Cones
    geometry: Geometry


def cover(family: MatrixFamily, model: Model, generators: list[tuple[Ray, Ray]]) -> Cover:
    """Pieces and labels for given cones; raises SearchFailed if the set is not mapped into itself."""
    exact = [ExactCone.spanned(e, f) for e, f in generators]
    start, end = (np.array([[cone.generators[i][0], math.ldexp(cone.generators[i][1], -model.shift)] for cone in exact]) for i in (0, 1))
    count = np.arange(len(exact))
    cones = Cones(np.zeros(0), count, count, start, end)
    steps = integral(family)
    trees: list[list[list[object]]] = []
    leaves: list[Leaf] = []
    for k in range(len(exact)):
        cuts: list[Cut] = []
        for s in range(len(steps)):
            cuts += passages(model, cones, k, s)
        trees.append([])
        here: list[tuple[Ray, Ray, int]] = []
        plant(stab(cuts) if cuts else [], (1, 0), (0, 1), trees[k], here)
        leaves += [(k, *leaf) for leaf in here]
    guess = np.array([[holder(model, cones, leaf, s) for leaf in leaves] for s in range(len(steps))])
    return Cover(exact, cones, label_leaves(exact, steps, trees, leaves, guess))


def held(model: Model, cones: Cones, k: int, s: int) -> list[Arc]:
    """For each cone the part [low, high] of cone k, in its coordinate z, that step s maps into it (low > high: nothing)."""
    z = np.linspace(0.0, 1.0, 257)
    images = model.image(cones.rays(np.full(z.size, k), z))[s]
    result = []
    for j in range(cones.size):
        inside = np.flatnonzero(cones.holds(np.full(z.size, j), images, 0.0))
        result.append((float(z[inside[0]]), float(z[inside[-1]])) if inside.size and inside.size == inside[-1] - inside[0] + 1 else (2.0, -1.0))
    return result


def passages(model: Model, cones: Cones, k: int, s: int) -> list[Cut]:
    """Where the image of cone k under step s has to pass from one cone to the next."""
    parts = held(model, cones, k, s)
    cuts, reached = [], 0.0
    while reached < 1.0:
        farthest = max((high for low, high in parts if low <= reached), default=-1.0)
        if farthest >= 1.0:
            break
        following = [(low, high) for low, high in parts if low < farthest < high]
        if farthest <= reached or not following:
            raise SearchFailed("the cones are not mapped into themselves")
        best = max(following, key=lambda part: part[1])
        cuts.append(Cut(max(best[0], reached), farthest))
        reached = farthest
    return cuts


def holder(model: Model, cones: Cones, leaf: Leaf, s: int) -> int:
    """A cone that holds the image of the leaf, the one with most room."""
    k, first, second, _ = leaf
    z = np.array([first[1] / sum(first), second[1] / sum(second)])
    images = model.image(cones.rays(np.full(2, k), z))[s]
    rooms = []
    for j in range(cones.size):
        inner = cones.coordinates(np.full(2, j), images)[1]
        rooms.append(float(np.minimum(inner, 1.0 - inner).min()))
    return int(np.argmax(rooms))


def small_integers(candidate: Candidate, upper: bool, max_digits: int) -> list[list[int]] | None:
    """The smallest coefficients that prove the sign, or None."""
    family, model, h = candidate.family, candidate.model, candidate.forms
    low, high = residuals(model, candidate.cones, candidate.geometry.floats, h, 4 * h.q + 9)
    drift = settle(model.p, candidate.geometry.floats, high if upper else low, upper, np.zeros(candidate.cones.size), 1e-9, 300)
    if not (drift.bound + model.offset < 0 if upper else drift.bound + model.offset > 0):
        return None
    values = h.bernstein * np.exp(h.q * (h.height + drift.delta - (h.height + drift.delta).max()))[:, None] * [math.comb(h.q, j) for j in range(h.q + 1)]
    values /= values.max()
    pieces = np.arange(candidate.geometry.size)
    for scale in scales(max_digits):
        coefficients = np.rint(values * scale).astype(int)
        if coefficients.min() < 1:
            continue
        rows: list[list[int]] = coefficients.tolist()
        if not failing(candidate.geometry, pieces, family.integer_weights, h.q, rows, Fraction(1), upper, strict=True):
            return rows
    return None


def scales(max_digits: int) -> Iterator[int]:
    for digits in range(1, max_digits + 1):
        first, last = 10 ** (digits - 1), 10**digits - 1
        yield from range(first, last + 1, max(1, (last - first) // 60))


def integers_fit(value: object, bound: int) -> bool:
    if isinstance(value, str):
        return not value.lstrip("-").isdigit() or abs(int(value)) <= bound
    return all(integers_fit(x, bound) for x in value) if isinstance(value, list) else True


def search_small(family: MatrixFamily, max_cones: int, max_digits: int, time_limit: float) -> tuple[Literal["<", ">"], dict[str, Any]] | None:
    """See `small_sign_certificate`."""
    deadline = time.monotonic() + time_limit
    model = Model.of(family)
    most = LARGEST_DEGREE // sum(family.integer_weights)
    levels = []
    for level in refine(model, min(3, max(most, 1)), start=8, deadline=time.monotonic() + 0.2 * time_limit):
        levels.append(level)
        if len(levels) >= LEVELS and level.width < 0.5 * abs(level.value + model.offset):
            break
        if len(levels) >= 5 * LEVELS:
            break
    estimate = levels[-1].value + model.offset
    if abs(estimate) < 1e-12:
        return None
    upper = estimate < 0
    hulls: list[list[Arc]] = []
    for level in levels[:: max(1, len(levels) // LEVELS)]:
        arcs = wanted_arcs(level.cones)
        if arcs not in hulls:
            hulls.append(arcs)
    for count in range(1, max_cones + 1):
        found = covered(family, model, hulls, count, max_digits)
        kept = []
        for one in found:
            if time.monotonic() > deadline:
                return None
            kept.append(one)
        for q in range(1, min(5, most) + 1):
            for one in kept:
                if time.monotonic() > deadline:
                    return None
                proof = attempt(family, model, one, q, upper, max_digits)
                if proof is not None:
                    return ("<" if upper else ">"), proof
    return None


def covered(family: MatrixFamily, model: Model, hulls: list[list[Arc]], count: int, max_digits: int) -> Iterator[Cover]:
    """Covers of the hulls by that many cones with short generators, mapped into themselves."""
    seen = set()
    for arcs in hulls:
        for parts in covers(arcs, count):
            for room in ROOM:
                try:
                    generators = tuple(snapped(arc, room, model.shift) for arc in parts)
                    if generators in seen:
                        continue
                    seen.add(generators)
                    one = cover(family, model, list(generators))
                except NUMERICAL:
                    continue
                if integers_fit([[[str(x) for x in e] for e in pair] for pair in generators] + one.geometry.trees, 10**max_digits - 1):
                    yield one


def attempt(family: MatrixFamily, model: Model, one: Cover, q: int, upper: bool, max_digits: int) -> dict[str, Any] | None:
    """A proof of the sign on these cones with forms of degree q."""
    try:
        g, _ = collocate(model, one.cones, one.geometry.floats, q, None, 1e-9)
        candidate = Candidate(family, model, one.cones, forms(q, g), one.geometry, 1.0)
        rows = small_integers(candidate, upper, max_digits)
    except NUMERICAL:
        return None
    return None if rows is None else candidate.proof("planar-forms", rows, degree=q, rho="1")
