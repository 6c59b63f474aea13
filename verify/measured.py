"""Floating-point kernels of any size: checks and extreme eigenvalues in bounded memory, and features X whose kernel K = X X^T is never formed.

Memory: up to N = `DENSE` the whole spectrum and a few copies of K; beyond it one array (N = 20,000: 3.2 GB in float64, 1.6 GB in float32), a second one only
if K is not exactly symmetric, and blocks of 256 rows. Float32 arrays larger than `DENSE` stay float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exact import InputError
from .minimum import MeasuredMinimum, Minimum, check_outputs

Reals = NDArray[Any]
DENSE = 2048
LANCZOS_STEPS = 40


def reals(values: Any, name: str) -> Reals:
    """A nonempty finite matrix, float64, or float32 where it is that and large. Raises `InputError`."""
    try:
        array = np.asarray(values)
        if array.dtype != np.float32 or len(array) <= DENSE:
            array = np.asarray(array, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not an array of real numbers; give a matrix of numbers") from None
    if array.ndim != 2 or not array.size:
        raise InputError(f"{name} has shape {array.shape}; it must be a matrix that is not empty")
    for a in range(0, len(array), 256):
        if not np.isfinite(array[a : a + 256]).all():
            i, j = map(int, np.argwhere(~np.isfinite(array[a : a + 256]))[0])
            raise InputError(f"{name}[{a + i}][{j}] = {array[a + i, j]} is not finite; give finite numbers")
    return np.ascontiguousarray(array)


def symmetrised(k: Reals) -> tuple[Reals, float]:
    """(K + K^T) / 2 (K itself where it is symmetric) and the largest |K_ij - K_ji|. Raises `InputError` beyond 1e-6 of the largest entry."""
    worst, place, largest = 0.0, (0, 0), 0.0
    for a in range(0, len(k), 256):
        gap = np.abs(k[a : a + 256] - k[:, a : a + 256].T)
        largest = max(largest, float(np.abs(k[a : a + 256]).max()))
        if gap.max() > worst:
            i, j = map(int, np.unravel_index(gap.argmax(), gap.shape))
            worst, place = float(gap.max()), (a + i, j)
    if worst > 1e-6 * largest:
        i, j = place
        raise InputError(f"gram is not symmetric: gram[{i}][{j}] = {k[i, j]} but gram[{j}][{i}] = {k[j, i]}; more than round-off, so make them equal")
    return (k + k.T) / 2 if worst else k, worst


def extreme_eigenvalues(apply: Callable[[Reals], Reals], size: int) -> tuple[float, float, float]:
    """(upper bound of the smallest eigenvalue, the largest one, its error) of a symmetric matrix that is given by its products with vectors.

    Lanczos with full orthogonalisation: the Ritz values lie within the spectrum, and some eigenvalue is within the residual of each. That the one beside the
    largest Ritz value is the largest of all is a matter of the random start (it fails with vanishing probability), not of proof.
    """
    rng = np.random.default_rng(0)
    basis, alphas, betas = [rng.standard_normal(size)], list[float](), list[float]()
    basis[0] /= np.linalg.norm(basis[0])
    for _ in range(min(LANCZOS_STEPS, size)):
        w = np.asarray(apply(basis[-1]), dtype=float)
        alphas.append(float(w @ basis[-1]))
        for _ in range(2):
            for q in basis:
                w -= (w @ q) * q
        betas.append(float(np.linalg.norm(w)))
        if betas[-1] <= 1e-14 * max(map(abs, alphas)):
            break
        basis.append(w / betas[-1])
    values, vectors = np.linalg.eigh(np.diag(alphas) + np.diag(betas[: len(alphas) - 1], 1) + np.diag(betas[: len(alphas) - 1], -1))
    return float(values[0]), float(values[-1]), float(betas[-1] * abs(vectors[-1, -1]) + 1e-12 * values[-1])


def float_data(minimum: Minimum | MeasuredMinimum) -> tuple[Reals, bool]:
    """(X, True) for measured features, else (K, False), in floating point."""
    if isinstance(minimum, MeasuredFeatures):
        return minimum.features, True
    return minimum.gram_floats() if isinstance(minimum, Minimum) else minimum.gram, False


class MeasuredFeatures(MeasuredMinimum):
    """Floating-point gradients g_i as the rows of X (N x D): K = X X^T. Estimates only; K is formed only where something asks for `gram` (N^2 numbers)."""

    features: Reals

    def __init__(self, features: Any, outputs: int = 1) -> None:
        """Raises `InputError` unless X is a nonempty finite matrix that is not zero."""
        x = reals(features, "features")
        check_outputs(outputs, len(x), "features")
        if not x.any():
            raise InputError("features are all zero, so K = 0: no sample has a gradient; give at least one nonzero row")
        for name, value in (("features", x), ("asymmetry", 0.0), ("outputs", outputs)):
            object.__setattr__(self, name, value)

    @cached_property
    def gram(self) -> Reals:
        """K = X X^T."""
        return self.features @ self.features.T

    @property
    def size(self) -> int:
        """N, the number of samples."""
        return len(self.features) // self.outputs

    @property
    def diagonal(self) -> list[float]:
        """K_ii = |g_i|^2, one for each row of X."""
        return [float(x) for x in np.einsum("ij,ij->i", self.features, self.features, dtype=float)]
