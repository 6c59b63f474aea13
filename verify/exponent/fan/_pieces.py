"""Pieces: every reachable cone is cut until each step maps each piece into one cone, and the growth of h on the piece is bounded on both sides (S4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import compiled
from ._mesh import Floats, Ints, Mesh, locate

DEEPEST = 60  # cuts in a row
SHARES = 32  # cuts are at multiples of 1/32 of an edge
REACH = 8.0  # labels of cells that are not leaves: at most so much larger than the cell that is cut
BLUNT = 4.0  # an image that is so much larger than its target is halved, not trimmed
FINISHED, TOO_MANY, TOO_DEEP = 0, 1, 2


@dataclass(frozen=True)
class Cones:
    """Every cell of the mesh, fattened about its barycentre, as a cone: generators (`rays`, whitened, in rows; `integers`, in the coordinates of the
    family and `scale` times as long), `inverse` of the matrix with the generators as columns, and `forms`, the values of h at the generators."""

    rays: Floats
    inverse: Floats
    forms: Floats
    integers: Floats
    scale: Floats


@dataclass(frozen=True)
class Pieces:
    """The pieces of the cones `cells` (cells of the mesh in the order of a breadth first search).

    Cone k owns the pieces first[k]:first[k + 1], in preorder, and the nodes node[k]:node[k + 1] of `tree`: d i + j for a cut of the edge (i, j) at share[.] /
    SHARES of generator i, -1 for a leaf. `label` (pieces, steps) numbers the image cones. low <= E log h(A v)/h(v) <= high on a piece, the upper bound
    with the multipliers exp(-means).
    """

    cells: Ints
    first: Ints
    node: Ints
    tree: NDArray[np.int16]
    share: NDArray[np.int16]
    label: NDArray[np.int32]
    low: Floats
    high: Floats
    means: Floats


def cones(mesh: Mesh, h: Floats, whitening: Floats, fat: float, bits: int) -> Cones:
    """The cone of every cell. Generators are rounded to integers of `bits` bits relative to the size of the cell, and used as rounded from here on."""
    corners = mesh.corners[: mesh.cell_count]
    points = mesh.vertices[corners]
    middle = points.mean(axis=1, keepdims=True)
    scale = 2.0 ** np.round(bits - np.log2(mesh.size[: mesh.cell_count]))
    integers = np.rint((middle + (1 + fat) * (points - middle)) @ whitening.T * scale[:, None, None])
    rays = integers / scale[:, None, None] @ np.linalg.inv(whitening).T
    values = h[corners]
    mean = values.mean(axis=1, keepdims=True)
    drop = ((mean - values) / mean).max(axis=1, keepdims=True)
    forms = mean + (values - mean) * np.minimum(1 + fat, 0.9 / np.maximum(drop, 1e-9))  # positive
    return Cones(np.ascontiguousarray(rays), np.linalg.inv(rays.transpose(0, 2, 1)), forms, integers, scale)


def cut(steps: Floats, p: Floats, mesh: Mesh, c: Cones, allowed: Any, fat: float, start: int, most: int) -> tuple[int, Pieces]:
    """(status, pieces of all cones reachable from the cell `start`); cells that are not leaves serve as labels only where `allowed`."""
    n, m = mesh.cell_count, len(p)
    cells, first, node, position = np.zeros(n, np.int64), np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64), np.full(n, -1)
    label, low, high, means = np.empty((most, m), np.int32), np.empty(most), np.empty(most), np.empty((most, m))
    # One inner node for each leaf, and those on the way to the present piece.
    tree, share = (np.empty(2 * (most + DEEPEST), np.int16) for _ in range(2))
    border = fat / (1 + fat) / mesh.d  # the coordinate, in the cone, of the facets of the cell
    status, count = _sweep(
        steps, p, mesh.child, mesh.edge, mesh.scale, mesh.size, c.rays, c.inverse, c.forms, allowed, border, start,
        position, cells, first, node, tree, share, label, low, high, means,
    )  # fmt: skip
    size, nodes = first[count], node[count]
    parts = tree[:nodes], share[:nodes], label[:size], low[:size], high[:size], means[:size]
    return status, Pieces(cells[:count], first[: count + 1], node[: count + 1], *parts)


@compiled
def _applied(matrix: Any, rows: Any, image: Any) -> None:
    """image[j] = matrix rows[j]."""
    d = rows.shape[1]
    for j in range(rows.shape[0]):
        for i in range(d):
            x = 0.0
            for k in range(d):
                x += matrix[i, k] * rows[j, k]
            image[j, i] = x


@compiled
def _bounds(p: Any, growth: Any, means: Any) -> Any:
    """(least E log growth over the generators, its bound by the AM-GM inequality with the multipliers exp(-means)); `growth` is overwritten."""
    m, d = growth.shape
    low, high, peak, everything = 1e300, 0.0, 0.0, p.sum()
    for j in range(d):
        total = 0.0
        for s in range(m):
            total += p[s] * np.log(growth[s, j])
        low = min(low, total)
    for s in range(m):
        mean = 0.0
        for j in range(d):
            mean += growth[s, j] / d
        for j in range(d):
            growth[s, j] /= mean
        means[s] = np.log(mean)
        high += p[s] * means[s]
    for j in range(d):
        total = 0.0
        for s in range(m):
            total += p[s] * growth[s, j]
        peak = max(peak, total / everything)
    means += np.log(peak)
    return low, high + everything * np.log(peak)


@compiled
def _cut_at(image: Any, here: Any, target: Any, border: float, size: float, sign: float) -> Any:
    """(i, j, share of i): the edge to cut, so that the image comes apart at the facet of the target that it crosses most, or in the middle if it is large."""
    d = here.size
    heights, unit = np.zeros((d, d)), np.zeros((d, d))
    _applied(target, image, heights)
    facet, lowest, highest, a, b = -1, 0.0, 0.0, 0, 0
    for j in range(d):
        total = heights[j].sum()
        heights[j] = sign * (heights[j] - border * total) / here[j]
        unit[j] = image[j] / np.sqrt(max((image[j] ** 2).sum(), 1e-300))
        for i in range(d):
            if heights[j, i] < lowest:
                lowest, facet, b = heights[j, i], i, j
    if facet >= 0:
        for j in range(d):
            if heights[j, facet] > highest:
                highest, a = heights[j, facet], j
    longest, long_a, long_b = -1.0, 1, 0
    for i in range(d):
        for j in range(i):
            length = ((unit[i] - unit[j]) ** 2).sum()
            if length > longest:
                longest, long_a, long_b = length, i, j
    if highest <= 0 or longest > (BLUNT * size) ** 2:
        return long_a, long_b, 0.5
    # In units in which h is 1 at the generators; the share is of the generators themselves.
    x, y = -lowest * here[b], highest * here[a]
    return a, b, round(SHARES * min(0.8, max(0.2, x / (x + y)))) / SHARES


@compiled
def _sweep(
    steps: Any, p: Any, child: Any, edge: Any, scale: Any, size: Any, rays: Any, inverse: Any, forms: Any, allowed: Any, border: float, start: int,
    position: Any, cells: Any, first: Any, node: Any, tree: Any, share: Any, label: Any, low: Any, high: Any, means: Any,
) -> Any:  # fmt: skip
    d, m = rays.shape[1], p.size
    coordinates, path, centre, here = np.zeros(d), np.zeros(200, np.int64), np.zeros(d), np.zeros(d)
    image, inside, growth = np.zeros((d, d)), np.zeros((d, d)), np.zeros((m, d))
    stack, depth = np.zeros((DEEPEST + 2, d, d)), np.zeros(DEEPEST + 2, np.int64)
    cells[0], position[start] = start, 0
    count, done, pieces, nodes = 1, 0, 0, 0
    while done < count:
        cell, limit = cells[done], REACH * size[cells[done]]
        stack[0], depth[0], top = rays[cell], 0, 1
        while top > 0:
            top -= 1
            piece = stack[top].copy()
            _applied(inverse[cell], piece, inside)
            for j in range(d):
                here[j] = 0.0
                for i in range(d):
                    here[j] += forms[cell, i] * inside[j, i]
            mapped, sign, tried = False, 1.0, 0
            for s in range(m):
                _applied(steps[s], piece, image)
                for i in range(d):
                    centre[i] = 0.0
                    for j in range(d):
                        centre[i] += image[j, i] / here[j]
                sign = 1.0 if centre[d - 1] >= 0 else -1.0
                length = locate(centre, child, edge, scale, coordinates, path)
                mapped = False
                # The leaf that holds the middle of the image; or else a larger cell around it.
                for level in range(length - 1, -1, -1):
                    target = path[level]
                    if level < length - 1 and (size[target] > limit or not allowed[target]):
                        break
                    tried, mapped = target, True
                    _applied(inverse[target], image, inside)
                    for j in range(d):
                        total, least, value = 0.0, 1e300, 0.0
                        for i in range(d):
                            x = sign * inside[j, i]
                            total += x
                            least = min(least, x)
                            value += forms[target, i] * x
                        # Away from the boundary, so that rounding does no harm.
                        if not least > 1e-9 * total or total <= 0:
                            mapped = False
                            break
                        growth[s, j] = value / here[j]
                    if mapped:
                        label[pieces, s] = target
                        break
                if not mapped:
                    break
            if mapped:
                tree[nodes], share[nodes] = -1, 0
                nodes += 1
                low[pieces], high[pieces] = _bounds(p, growth, means[pieces])
                for s in range(m):
                    target = label[pieces, s]
                    if position[target] < 0:
                        position[target], cells[count] = count, target
                        count += 1
                    label[pieces, s] = position[target]
                pieces += 1
                if pieces == low.size:
                    return TOO_MANY, done
            elif depth[top] >= DEEPEST:
                return TOO_DEEP, done
            else:
                i, j, part = _cut_at(image, here, inverse[tried], border, size[tried], sign)
                tree[nodes], share[nodes] = d * i + j, round(SHARES * part)
                nodes += 1
                # The checker's order: first the part with the new ray in place of j, so it lies on top.
                stack[top], stack[top + 1] = piece, piece
                stack[top, i] = stack[top + 1, j] = part * piece[i] + (1.0 - part) * piece[j]
                depth[top] += 1
                depth[top + 1] = depth[top]
                top += 2
        done += 1
        first[done], node[done] = pieces, nodes
    return FINISHED, count
