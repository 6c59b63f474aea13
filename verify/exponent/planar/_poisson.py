"""Poisson's equation on the cones, in floats: collocation for log h, forms F = h^q, residuals on the pieces.

On each cone log h is a polynomial of degree q in the barycentric coordinate, collocated at q + 1 Chebyshev nodes:
sum_s p_s [log(|A_s v| / |v|) + log h(A_s v)] - log h(v) = lambda at every node v (S1). The form F_k interpolates h^q at the same nodes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ._chain import poisson_solution
from ._model import Cones, Floats, Ints, Model, Pieces

DENSE, DIRECT = 260, 6000  # unknowns up to which the collocation matrix is solved densely, by sparse LU


@dataclass(frozen=True)
class Basis:
    """Chebyshev nodes in [0, 1], Lagrange weights through T_l, Bernstein coefficients from node values."""

    q: int
    points: Floats
    to_chebyshev: Floats
    to_bernstein: Floats

    def lagrange(self, z: Floats) -> Floats:
        """Values of the q + 1 Lagrange polynomials, shape (*z.shape, q + 1)."""
        angle = np.arccos(np.clip(1.0 - 2.0 * z, -1.0, 1.0))
        values: Floats = np.cos(angle[..., None] * np.arange(self.q + 1)) @ self.to_chebyshev
        return values


@cache
def basis(q: int) -> Basis:
    angles = (2 * np.arange(q + 1) + 1) * math.pi / (2 * (q + 1))
    points = 0.5 - 0.5 * np.cos(angles)
    chebyshev = np.cos(angles[:, None] * np.arange(q + 1))
    bernstein = np.array([[math.comb(q, j) * (1 - x) ** (q - j) * x**j for j in range(q + 1)] for x in points])
    return Basis(q, points, np.linalg.inv(chebyshev), np.linalg.inv(bernstein))


def collocate(model: Model, cones: Cones, pieces: Pieces, q: int, warm: Floats | None, tolerance: float) -> tuple[Floats, float]:
    """(log h at the collocation nodes, shape (cones, q + 1); lambda). `warm` and `tolerance` serve the fixed-point iteration for many unknowns."""
    from scipy.sparse import csr_matrix

    b = basis(q)
    k = np.broadcast_to(np.arange(cones.size)[:, None], (cones.size, q + 1))
    images = model.image(cones.rays(k, np.broadcast_to(b.points, k.shape)))
    piece = np.searchsorted(pieces.cone + pieces.left, k + b.points, side="right") - 1
    at = pieces.label[:, piece]
    lengths, z = cones.coordinates(at, images)
    weights = model.p[:, None, None, None] * b.lagrange(np.clip(z, 0.0, 1.0))
    force = np.tensordot(model.p, np.log(lengths), 1).ravel()
    n = cones.size * (q + 1)
    columns = at[..., None] * (q + 1) + np.arange(q + 1)
    rows = np.broadcast_to(np.arange(n).reshape(1, cones.size, q + 1, 1), columns.shape)
    transfer = csr_matrix((weights.ravel(), (rows.ravel(), columns.ravel())), shape=(n, n))
    solved = poisson_solution(transfer, force, DENSE) if n <= DIRECT else None
    if solved is not None:
        return solved[0].reshape(-1, q + 1), solved[1]
    g = np.zeros(n) if warm is None else warm.ravel().copy()
    value = 0.0
    for _ in range(400):
        new = force + transfer @ g
        change = new - g
        low, high = float(change.min()), float(change.max())
        value = 0.5 * (low + high)
        g = new - value
        if not high - low > tolerance:
            break
    return (g - g.max()).reshape(-1, q + 1), value


@dataclass(frozen=True)
class Forms:
    """F_k = exp(q height_k) sum_j B_kj C(q, j) (1 - x)^(q-j) x^j with B > 0 and max_j B_kj of order one, h = F^(1/q)."""

    q: int
    height: Floats
    bernstein: Floats

    def log(self, k: Ints, z: Floats) -> Floats:
        """log h - height on cone k at z (height is left to the caller, who sums it)."""
        t = self.bernstein[k]
        z = z[..., None]
        for _ in range(self.q):
            t = t[..., :-1] + z * (t[..., 1:] - t[..., :-1])
        result: Floats = np.log(t[..., 0]) / self.q
        return result


def forms(q: int, g: Floats) -> Forms:
    """Interpolate h^q; a cone where that is not clearly positive gets the q-th power of a linear form."""
    height = g.max(axis=1)
    values = np.exp(np.maximum(g - height[:, None], -40.0) * q)
    b = values @ basis(q).to_bernstein.T
    bad = np.flatnonzero((b.min(axis=1) <= 0.02 * values.min(axis=1)) | (b.max(axis=1) > 5 * values.max(axis=1)))
    if bad.size:
        x = basis(q).points
        y = values[bad] ** (1.0 / q)
        slope = (y - y.mean(axis=1, keepdims=True)) @ (x - x.mean()) / max(float(((x - x.mean()) ** 2).sum()), 1e-30)
        floor = 0.5 * y.min(axis=1)
        start = np.maximum(y.mean(axis=1) - slope * x.mean(), floor)
        end = np.maximum(y.mean(axis=1) + slope * (1 - x.mean()), floor)
        j = np.arange(q + 1)
        b[bad] = start[:, None] ** (q - j) * end[:, None] ** j
    return Forms(q, height, b)


def residuals(model: Model, cones: Cones, pieces: Pieces, h: Forms, samples: int) -> tuple[Floats, Floats]:
    """(smallest, largest) sampled r_h = sum_s p_s log(h(A_s v) / h(v)) on each piece, Chebyshev-Lobatto samples."""
    t = 0.5 - 0.5 * np.cos(np.pi * np.arange(samples) / (samples - 1))
    k = np.broadcast_to(pieces.cone[:, None], (pieces.cone.size, samples))
    z = pieces.left[:, None] + (pieces.right - pieces.left)[:, None] * t
    images = model.image(cones.rays(k, z))
    total = -h.log(k, z) - h.height[k]
    for s, p in enumerate(model.p):
        target = np.broadcast_to(pieces.label[s][:, None], k.shape)
        length, z = cones.coordinates(target, images[s])
        total += p * (np.log(length) + h.log(target, np.clip(z, 0.0, 1.0)) + h.height[target])
    return total.min(axis=1), total.max(axis=1)
