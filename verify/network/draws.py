"""Which samples an optimiser's steps use: the same arrays drive the real runs and the linear ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optimiser import GradientDescent, Optimiser, Reshuffled, epoch_length, probabilities
from ..result import as_float

Indices = NDArray[np.int32]


def batch_size(optimiser: Optimiser, size: int) -> int:
    """B, N for gradient descent."""
    return size if isinstance(optimiser, GradientDescent) else optimiser.batch


def draws(optimiser: Optimiser, size: int, steps: int, runs: int, rng: np.random.Generator) -> Indices:
    """Samples (steps, runs, B) of independent runs. For reshuffled epochs the first step begins an epoch, so that pieces of whole epochs can be joined."""
    b = batch_size(optimiser, size)
    if isinstance(optimiser, GradientDescent):
        return np.broadcast_to(np.arange(size, dtype=np.int32), (steps, runs, size))
    if isinstance(optimiser, Reshuffled):
        length = epoch_length(optimiser, size)
        orders = _orders(size, (-(-steps // length), runs), rng)
        return np.ascontiguousarray(orders.reshape(-1, runs, length, b).transpose(0, 2, 1, 3).reshape(-1, runs, b)[:steps])
    if b > 1 and not optimiser.replacement:
        return np.ascontiguousarray(_orders(size, (steps, runs), rng)[..., :b])
    if optimiser.weights is None:
        return rng.integers(0, size, (steps, runs, b), dtype=np.int32)
    p = np.array([as_float(x) for x in probabilities(optimiser, size)])
    return rng.choice(size, (steps, runs, b), p=p / p.sum()).astype(np.int32)


def _orders(size: int, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    return rng.permuted(np.broadcast_to(np.arange(size, dtype=np.int32), (*shape, size)), axis=-1)
