"""Half of the sphere of directions, cut into simplicial cells by a forest of edge bisections.

Directions are taken up to sign and live in whitened coordinates. The 2^(d-1) roots are the orthants with last coordinate >= 0; cell c with vertices
V[corners[c]] is cut at the middle m of its longest edge (a, b) into child[c] (m in place of b) and child[c] + 1 (m in place of a). Every cell of the
forest, leaf or not, may serve as a cone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Mesh:
    """The forest. Arrays are larger than what is in use: `vertices` (nv, d), `corners` (nc, d), `child` (nc,), `edge` (nc, 2), `scale` (nc,), `size` (nc,)."""

    def __init__(self, d: int) -> None:
        roots = 1 << (d - 1)
        self.d, self.vertex_count, self.cell_count = d, 2 * d - 1, roots
        self.vertices = np.concatenate([np.eye(d), -np.eye(d)[: d - 1]])
        self.corners = np.array([[j if j == d - 1 or not k >> j & 1 else d + j for j in range(d)] for k in range(roots)])
        self.child, self.scale, self.size = np.full(roots, -1), np.ones(roots), np.full(roots, np.sqrt(2.0))
        self.edge = np.zeros((roots, 2), np.int64)
        self.middles: dict[tuple[int, int], int] = {}

    def leaves(self) -> Ints:
        return np.flatnonzero(self.child[: self.cell_count] < 0)

    def cut(self, cells: Ints) -> None:
        """Bisect the given cells (those that are leaves) at their longest edges."""
        cells = cells[self.child[cells] < 0]
        self.vertices = _grown(self.vertices, self.vertex_count + len(cells))
        for name in ("corners", "child", "edge", "scale", "size"):
            setattr(self, name, _grown(getattr(self, name), self.cell_count + 2 * len(cells)))
        pairs = np.array([(i, j) for i in range(self.d) for j in range(i)])
        points = self.vertices[self.corners[cells]]
        longest = pairs[_squares(points, pairs).argmax(axis=1)]
        for cell, (i, j) in zip(cells, longest, strict=True):
            a, b = self.corners[cell, i], self.corners[cell, j]
            total = self.vertices[a] + self.vertices[b]
            length = float(np.sqrt(total @ total))
            key = (int(min(a, b)), int(max(a, b)))
            middle = self.middles.setdefault(key, self.vertex_count)
            if middle == self.vertex_count:
                self.vertices[middle] = total / length
                self.vertex_count += 1
            first = self.cell_count
            self.child[cell], self.edge[cell], self.scale[cell] = first, (i, j), length
            self.corners[first : first + 2] = self.corners[cell]
            self.corners[first, j] = self.corners[first + 1, i] = middle
            self.child[first : first + 2] = -1
            self.cell_count += 2
        new = np.arange(self.cell_count - 2 * len(cells), self.cell_count)
        self.size[new] = np.sqrt(_squares(self.vertices[self.corners[new]], pairs).max(axis=1))


def _squares(points: Floats, pairs: Ints) -> Floats:
    """Squared lengths of the edges of simplices (n, d, d): (n, edges)."""
    return np.asarray(((points[:, pairs[:, 0]] - points[:, pairs[:, 1]]) ** 2).sum(axis=2))


def _grown(array: Any, needed: int) -> Any:
    if len(array) >= needed:
        return array
    return np.concatenate([array, np.zeros((max(needed, 2 * len(array)) - len(array), *array.shape[1:]), array.dtype)])


@compiled
def locate(v: Any, child: Any, edge: Any, scale: Any, coordinates: Any, path: Any) -> Any:
    """Walk down to the leaf that holds +-v: the cells met go to `path`, the coordinates of +-v in the leaf's vertices to `coordinates`; the path's length."""
    d = v.size
    sign = 1.0 if v[d - 1] >= 0 else -1.0
    cell = 0
    for j in range(d):
        x = sign * v[j]
        coordinates[j] = abs(x)
        if x < 0 and j < d - 1:
            cell |= 1 << j
    path[0] = cell
    length = 1
    while child[cell] >= 0:
        a, b = edge[cell, 0], edge[cell, 1]
        if coordinates[a] >= coordinates[b]:
            coordinates[a] -= coordinates[b]
            coordinates[b] *= scale[cell]
            cell = child[cell]
        else:
            coordinates[b] -= coordinates[a]
            coordinates[a] *= scale[cell]
            cell = child[cell] + 1
        path[length] = cell
        length += 1
        if length == path.size:
            break
    return length
