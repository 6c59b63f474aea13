"""Compiled steps of real SGD in floating point. This module imports numba; `evidence` and `floats` import it when a simulation is asked for.

The state holds independent replicas, one vector each; `growth` adds the logarithms (nats) of the norms by which they were divided, so that a vector that
has shrunk by e^-1000 is seen as such. Each replica has its own xorshift64* generator. The draws and the steps are written here on their own: nothing is
shared with the estimates of `exponent.montecarlo` but the generator, so that the two can disagree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exponent.kernels import advanced, compiled, scrambled


@compiled
def drawn(u: Any, cumulative: Any, uniform: bool) -> Any:
    """The index whose interval of `cumulative` (N,), the partial sums of the probabilities, holds u in [0, 1)."""
    count = cumulative.shape[0]
    if uniform:
        return min(np.int64(u * count), count - 1)
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if u < cumulative[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def divided(vector: Any) -> Any:
    """Divide a vector by its Euclidean norm; the logarithm of the norm, -inf where it is exactly zero."""
    square = 0.0
    for j in range(vector.shape[0]):
        square += vector[j] * vector[j]
    if square == 0.0:
        return -np.inf
    norm = np.sqrt(square)
    for j in range(vector.shape[0]):
        vector[j] /= norm
    return np.log(norm)


@compiled
def sgd(
    rows: Any, slot: Any, cumulative: Any, uniform: bool, batch: int, replacement: bool, order: Any, state: Any, rng: Any, steps: int, spacing: int, growth: Any
) -> None:
    """`steps` steps x <- x - sum_b <g_b, x> g_b of every replica, g = rows[slot[i]] for the samples i of a batch (slot -1: the sample does nothing).

    rows (k, d) are sqrt(eta/B) times the gradients in an orthonormal basis of their span; `order` (replicas, N) holds permutations, for draws without
    replacement by a partial Fisher-Yates shuffle. Norms are taken out after every `spacing` steps and at the end.
    """
    size, samples = state.shape[1], cumulative.shape[0]
    picked = np.empty(batch, np.int64)
    weight = np.empty(batch)
    for replica in range(state.shape[0]):
        x = state[replica]
        s = rng[replica]
        since = 0
        for _ in range(steps):
            for b in range(batch):
                s = advanced(s)
                if replacement:
                    i = drawn(scrambled(s), cumulative, uniform)
                else:
                    at = b + min(np.int64(scrambled(s) * (samples - b)), samples - b - 1)
                    i = order[replica, at]
                    order[replica, at] = order[replica, b]
                    order[replica, b] = i
                k = slot[i]
                picked[b] = k
                if k >= 0:
                    a = 0.0
                    for j in range(size):
                        a += rows[k, j] * x[j]
                    weight[b] = a
            for b in range(batch):
                k = picked[b]
                if k >= 0:
                    a = weight[b]
                    for j in range(size):
                        x[j] -= a * rows[k, j]
            since += 1
            if since == spacing:
                growth[replica] += divided(x)
                since = 0
        if since:
            growth[replica] += divided(x)
        rng[replica] = s


@compiled
def products(matrices: Any, cumulative: Any, state: Any, rng: Any, steps: int, spacing: int, growth: Any) -> None:
    """`steps` steps x <- matrices[s] x of every replica, s drawn from `cumulative`."""
    size = state.shape[1]
    image = np.empty(size)
    for replica in range(state.shape[0]):
        x = state[replica]
        s = rng[replica]
        since = 0
        for _ in range(steps):
            s = advanced(s)
            k = drawn(scrambled(s), cumulative, False)
            for i in range(size):
                a = 0.0
                for j in range(size):
                    a += matrices[k, i, j] * x[j]
                image[i] = a
            for i in range(size):
                x[i] = image[i]
            since += 1
            if since == spacing:
                growth[replica] += divided(x)
                since = 0
        if since:
            growth[replica] += divided(x)
        rng[replica] = s
