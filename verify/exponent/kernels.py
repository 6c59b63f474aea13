"""Compiled inner loops of the Monte Carlo estimates. This module imports numba; `montecarlo` imports it only when an estimate is asked for.

Every kernel moves `chains` independent vectors by `rounds * spacing` random linear steps, divides each vector by its Euclidean norm after every `spacing`
steps (or by a power of two, see `renormalised`), and adds the logarithms of those norms (nats) to `growth[chain]`. A vector that has become exactly zero
stays zero and its growth is -inf.
The arrays `state` (chains, n), `rng` (chains,) and `growth` (chains,) are changed in place, so a run can be continued.

To add a kernel for another optimiser: write a cached function that returns a `compiled` one with the arguments (data..., arrays..., state, rng, rounds,
spacing, growth), in which every array after the data has one row for each chain and nothing is shared between chains: then `chains.Chains` runs it on all
cores, interrupts it and saves it without knowing what it does. Bind the data where the `Part`s of an optimiser are made, `SGDProblem` and `DescentProblem`.
K and features may be float32 or float64 (the compiler makes a version for each); vectors are float64.

Random numbers: xorshift64* (S. Vigna, An experimental exploration of Marsaglia's xorshift generators, scrambled, ACM TOMS 42, 2016), one generator per
chain, started by splitmix64 from the seed. A draw uses the upper 53 bits, for the column of Walker's alias method and for its comparison, or in the uniform
case of `single` the upper 32 bits; the relative error of a probability is at most N 2^-53, resp. N 2^-32.
Sizes that are known to the compiler make short loops several times faster; they are integers in the closure of a kernel, which numba's disk cache
knows how to key. Results are cached beside this file, or in the user's cache directory where that is read-only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kernel = Callable[..., None]
F = TypeVar("F", bound=Callable[..., Any])

# Neither infinities nor NaN are assumed away: only sums may be reordered and products fused.
FAST = {"contract", "reassoc", "nsz"}
UNIT = 2.0**-53
# Sizes up to SMALL are compiled one by one; above, the length is a run-time number.
SMALL = 4


def compiled(function: F) -> F:
    """`function` compiled at its first call, from the disk cache where there is one."""
    njit: Any = numba.njit  # the type stubs of numba differ from version to version
    options: dict[str, Any] = {"fastmath": FAST, "nogil": True, "boundscheck": False}
    try:
        result: F = njit(cache=True, **options)(function)
    except RuntimeError:  # no directory that can be written to
        result = njit(**options)(function)
    return result


@compiled
def advanced(s: Any) -> Any:
    """The next state of xorshift64."""
    s ^= s >> np.uint64(12)
    s ^= s << np.uint64(25)
    s ^= s >> np.uint64(27)
    return s


@compiled
def scrambled(s: Any) -> Any:
    """A uniform number in [0, 1) from a state of xorshift64."""
    return np.float64(np.int64((s * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(11))) * UNIT


@compiled
def uniform_index(s: Any, count: Any) -> Any:
    """A uniform index below `count` from the upper 32 bits."""
    return np.int64((((s * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32)) * count) >> np.uint64(32))


@compiled
def chosen(position: Any, keep: Any, alias: Any) -> Any:
    """Walker's alias method: `position` is uniform in [0, N); column i gives alias[i, 0] = i with probability keep[i], else alias[i, 1]."""
    i = np.int64(position)
    return alias[i, np.int64(position - i >= keep[i])]  # a table look-up, because a branch could not be predicted


@compiled
def renormalised(vector: Any, n: int, exactly: bool) -> Any:
    """Divide `vector` by its Euclidean norm; the logarithm of that norm, -inf for the zero vector.

    With `exactly` no digit of the direction is lost: a multiple of a coordinate vector becomes +-that vector, any other is divided by a power of two. Then a
    product of integer matrices that vanishes is seen to vanish.
    """
    square, nonzero = 0.0, 0
    for j in range(n):
        square += vector[j] * vector[j]
        nonzero += vector[j] != 0.0
    if square == 0.0:
        return -np.inf
    norm = np.sqrt(square)
    if exactly and nonzero > 1:
        norm = math.ldexp(1.0, math.frexp(norm)[1])
    for j in range(n):
        vector[j] /= norm
    return np.log(norm)


@functools.cache
def single(size: int, lanes: int, uniform: bool, prescaled: bool) -> Kernel:
    """Batch 1 in residual coordinates: r_j <- r_j - eta K_ij r_i.

    Arguments of the kernel: gram = K (N, n), eta (not read if `prescaled`: then gram is eta K), keep (N,) and alias (N, 2) (not read if `uniform`), state,
    rng, rounds, spacing, growth; n = `size`, or any n if `size` is 0; the number of chains is a multiple of `lanes`, the number of chains moved in turn so
    that their memory latencies overlap.
    """

    @compiled
    def run(gram: Any, eta: float, keep: Any, alias: Any, state: Any, rng: Any, rounds: int, spacing: int, growth: Any) -> None:
        n = state.shape[1] if size == 0 else size
        samples, count = np.float64(gram.shape[0]), np.uint64(gram.shape[0])
        for group in range(state.shape[0] // lanes):
            r = state[group * lanes : (group + 1) * lanes]
            seeds = rng[group * lanes : (group + 1) * lanes]
            for _ in range(rounds):
                for _ in range(spacing):
                    for lane in range(lanes):
                        s = advanced(seeds[lane])
                        seeds[lane] = s
                        i = uniform_index(s, count) if uniform else chosen(scrambled(s) * samples, keep, alias)
                        a = r[lane, i] if prescaled else eta * r[lane, i]
                        for j in range(n):
                            r[lane, j] -= a * gram[i, j]
                for lane in range(lanes):
                    growth[group * lanes + lane] += renormalised(r[lane], n, spacing == 1)

    return run


@functools.cache
def batched(factor: bool) -> Kernel:
    """Batches of any size, in residual coordinates or, with `factor`, in coordinates of the span of the gradients.

    With `scale` = eta/B: `rows` is K (n, n), and the step r <- r - scale sum_b r_{i_b} rows[i_b]; or the gradients (k, n), and the step
    w <- w - scale sum_b <rows[i_b], w> rows[i_b]. All coefficients are taken before the vector moves. slot[i] is the row of sample i, -1 for a sample that
    does nothing. `order` (chains, N) holds a permutation of the samples for each chain: without replacement its first B entries are drawn by a partial
    Fisher-Yates shuffle, which is uniform from whatever permutation it starts.
    """

    @compiled
    def run(
        rows: Any, scale: float, slot: Any, keep: Any, alias: Any, batch: int, replacement: bool,
        order: Any, state: Any, rng: Any, rounds: int, spacing: int, growth: Any,
    ) -> None:  # fmt: skip
        n = state.shape[1]
        samples = slot.shape[0]
        picked = np.empty(batch, np.int64)
        weight = np.empty(batch)
        for chain in range(state.shape[0]):
            r = state[chain]
            s = rng[chain]
            for _ in range(rounds):
                for _ in range(spacing):
                    for b in range(batch):
                        s = advanced(s)
                        if replacement:
                            i = chosen(scrambled(s) * samples, keep, alias)
                        else:
                            at = b + np.int64(scrambled(s) * (samples - b))
                            i = order[chain, at]
                            order[chain, at] = order[chain, b]
                            order[chain, b] = i
                        k = slot[i]
                        picked[b] = k
                        a = 0.0
                        if k >= 0:
                            if factor:
                                for j in range(n):
                                    a += rows[k, j] * r[j]
                            else:
                                a = r[k]
                        weight[b] = scale * a
                    for b in range(batch):
                        k = picked[b]
                        if k >= 0:
                            a = weight[b]
                            for j in range(n):
                                r[j] -= a * rows[k, j]
                growth[chain] += renormalised(r, n, spacing == 1)
            rng[chain] = s

    return run


@functools.cache
def dense(size: int) -> Kernel:
    """Any finite family: x <- matrices[s] x, with matrices (m, n, n), s drawn by keep (m,) and alias (m, 2); n = `size`, or any n if `size` is 0."""
    lanes = 8 if size else 1

    @compiled
    def run(matrices: Any, keep: Any, alias: Any, state: Any, rng: Any, rounds: int, spacing: int, growth: Any) -> None:
        n = state.shape[1] if size == 0 else size
        samples = np.float64(matrices.shape[0])
        image = np.empty(n)
        for group in range(state.shape[0] // lanes):
            x = state[group * lanes : (group + 1) * lanes]
            seeds = rng[group * lanes : (group + 1) * lanes]
            for _ in range(rounds):
                for _ in range(spacing):
                    for lane in range(lanes):
                        s = advanced(seeds[lane])
                        seeds[lane] = s
                        i = chosen(scrambled(s) * samples, keep, alias)
                        for j in range(n):
                            a = 0.0
                            for k in range(n):
                                a += matrices[i, j, k] * x[lane, k]
                            image[j] = a
                        for j in range(n):
                            x[lane, j] = image[j]
                for lane in range(lanes):
                    growth[group * lanes + lane] += renormalised(x[lane], n, spacing == 1)

    return run


def splitmix(seed: int, count: int) -> NDArray[np.uint64]:
    """`count` nonzero starting states (uint64) from a seed (G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014)."""
    mask = (1 << 64) - 1
    states: list[int] = []
    while len(states) < count:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        if z ^ (z >> 31):
            states.append(z ^ (z >> 31))
    return np.array(states, dtype=np.uint64)


def alias_table(probabilities: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Walker's table, keep (N,) and alias (N, 2), for probabilities (N,) that sum to one, by Vose's method."""
    count = len(probabilities)
    scaled = probabilities * (count / probabilities.sum())
    keep, alias = np.ones(count), np.arange(count)
    small = [i for i in range(count) if scaled[i] < 1]
    large = [i for i in range(count) if scaled[i] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], alias[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return keep, np.stack([np.arange(count), alias], axis=1)
