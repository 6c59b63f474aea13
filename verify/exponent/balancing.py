"""Coordinates in which the steps of a family are as near to normal matrices as can be: the optimised quadratic norm.

S minimises f(S) = sum_s p_s log ||S^-1 A_s S||_F. A normal matrix has the least Frobenius norm among its conjugates, so for the steps of SGD, which are
symmetric in an orthonormal basis of the span of the gradients, S S^T = K up to a factor is the minimum. Moving S to S exp(X), X symmetric, changes f at the
rate <X, sum_s p_s (A_s^T A_s - A_s A_s^T)/||A_s||_F^2>; f is convex along such curves (Kempf, Ness), so descent finds the minimum where there is one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WORST_CONDITION = 1e5


def balanced(steps: Floats, p: Floats, rounds: int = 500) -> Floats:
    """S (d, d); the identity where entries are too large. For a reducible family the infimum is not attained: the descent stops at condition 1e5."""
    d = steps.shape[1]
    basis = np.eye(d)
    moved = np.array(steps)
    for _ in range(rounds):
        squares = (moved**2).sum(axis=(1, 2))
        if not np.isfinite(squares).all():
            return np.eye(d)
        weights = np.divide(p, squares, out=np.zeros_like(p), where=squares > 0)
        transposed = moved.transpose(0, 2, 1)
        slope = np.einsum("s,sij->ij", weights, transposed @ moved - moved @ transposed)
        if np.abs(slope).max() < 1e-7:
            break
        values, vectors = np.linalg.eigh(-0.5 * slope)
        forward = (vectors * np.exp(values)) @ vectors.T
        candidate = basis @ forward
        if not np.linalg.cond(candidate) < WORST_CONDITION:
            break
        basis, moved = candidate, (vectors * np.exp(-values)) @ vectors.T @ moved @ forward
    return np.asarray(basis / np.abs(basis).max())
