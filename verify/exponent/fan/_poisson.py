"""The function h of the sandwich: a fixed point of log h <- E log h(A v) - lambda, linear on every leaf of the mesh."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import compiled
from ._mesh import Floats, Mesh, locate


def solved(steps: Floats, p: Floats, mesh: Mesh, h: Floats, tolerance: float, rounds: int) -> tuple[Floats, float]:
    """(h at the vertices, growth per step): iterate from `h` until the growth is known up to `tolerance` or `rounds` are over."""
    n, m = mesh.vertex_count, len(p)
    index, weight = np.empty((n, m, mesh.d), np.int32), np.empty((n, m, mesh.d))
    _operator(steps, mesh.vertices[:n], mesh.corners, mesh.child, mesh.edge, mesh.scale, index, weight)
    h = np.ascontiguousarray(h[:n])
    return h, float(_iterated(index, weight, p, h, tolerance, rounds))


@compiled
def _operator(steps: Any, vertices: Any, corners: Any, child: Any, edge: Any, scale: Any, index: Any, weight: Any) -> None:
    """h(A_s v_n) = sum_j weight[n, s, j] h[index[n, s, j]]."""
    d = vertices.shape[1]
    coordinates, path, image = np.zeros(d), np.zeros(200, np.int64), np.zeros(d)
    for n in range(vertices.shape[0]):
        for s in range(steps.shape[0]):
            for i in range(d):
                image[i] = 0.0
                for j in range(d):
                    image[i] += steps[s, i, j] * vertices[n, j]
            leaf = path[locate(image, child, edge, scale, coordinates, path) - 1]
            for j in range(d):
                index[n, s, j] = corners[leaf, j]
                weight[n, s, j] = coordinates[j]


@compiled
def _iterated(index: Any, weight: Any, p: Any, h: Any, tolerance: float, rounds: int) -> Any:
    n, m, d = index.shape
    everything = p.sum()
    change = np.zeros(n)
    growth = 0.0
    for _ in range(rounds):
        low, high = 1e300, -1e300
        for a in range(n):
            total = 0.0
            for s in range(m):
                value = 0.0
                for j in range(d):
                    value += weight[a, s, j] * h[index[a, s, j]]
                total += p[s] * np.log(max(value, 1e-9))  # a step may (nearly) kill a direction
            change[a] = total - everything * np.log(h[a])
            low, high = min(low, change[a]), max(high, change[a])
        growth = 0.5 * (low + high)
        for a in range(n):
            h[a] = min(1e6, max(1e-6, h[a] * np.exp(change[a] - growth)))
        if high - low < tolerance:
            break
    return growth
