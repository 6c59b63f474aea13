"""Optimisers as exact families of matrices in residual coordinates.

At a minimum with Gram matrix K the linearised step on a batch with multiplicities m (sum m_i = B) is r <- A_m r,
A_m = I - (eta/B) sum_i m_i K e_i e_i^T on range(K); it is conjugate to I - (eta/B) sum_i m_i g_i g_i^T on span{g_i}.
Gradient descent is the full batch. A rank-deficient K is handled in the coordinates r_I of its greedy row basis I.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .exact import InputError, Matrix, Vector, positive
from .family import MatrixFamily
from .minimum import Minimum

# Beyond this many different batches a family is not written down: exact methods say so, Monte Carlo goes on.
MAX_STEPS = 5000
MAX_ENTRIES = 200_000


@dataclass(frozen=True)
class GradientDescent:
    """w <- w - eta grad L(w), L the mean loss."""

    step_size: Fraction

    def __init__(self, step_size: Any) -> None:
        object.__setattr__(self, "step_size", positive(step_size, "step_size"))

    kind = "gd"


@dataclass(frozen=True)
class SGD:
    """w <- w - eta grad of the mean loss of a random batch.

    `batch` samples are drawn with replacement (with probabilities proportional to `weights`, default uniform) or without (uniformly).
    """

    step_size: Fraction
    batch: int
    replacement: bool
    weights: Vector | None

    def __init__(self, step_size: Any, batch: int = 1, replacement: bool = True, weights: Sequence[Any] | None = None) -> None:
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise InputError(f"batch = {batch!r} is not a positive integer; write for example 1")
        if not isinstance(replacement, bool):
            raise InputError(f"replacement = {replacement!r} is not a truth value; write true or false")
        if weights is not None and batch > 1 and not replacement:
            raise InputError(f"weights with batch = {batch} without replacement is not defined; use replacement = true or leave weights out")
        object.__setattr__(self, "step_size", positive(step_size, "step_size"))
        object.__setattr__(self, "batch", batch)
        object.__setattr__(self, "replacement", replacement)
        object.__setattr__(self, "weights", None if weights is None else tuple(positive(w, f"weights[{i}]") for i, w in enumerate(weights)))

    kind = "sgd"


Optimiser = GradientDescent | SGD


def checked_for(optimiser: Optimiser, size: int) -> Optimiser:
    """The optimiser, if it fits N = `size` samples; else `InputError`."""
    if not isinstance(optimiser, (GradientDescent, SGD)):
        raise InputError(f"optimiser = {optimiser!r} is not an optimiser; write for example SGD(\"1/10\") or GradientDescent(\"1/10\")")
    if isinstance(optimiser, SGD):
        if optimiser.batch > size and not optimiser.replacement:
            raise InputError(f"batch = {optimiser.batch} is larger than the number of samples N = {size}; without replacement it is at most N")
        if optimiser.batch > 1000:
            raise InputError(f"batch = {optimiser.batch} is above 1000, the largest batch that is supported")
        if optimiser.weights is not None and len(optimiser.weights) != size:
            raise InputError(f"weights has {len(optimiser.weights)} entries for N = {size} samples; give one weight for each")
    return optimiser


def with_step_size(optimiser: Optimiser, step_size: Fraction) -> Optimiser:
    """The same optimiser at another step size."""
    if isinstance(optimiser, GradientDescent):
        return GradientDescent(step_size)
    return SGD(step_size, optimiser.batch, optimiser.replacement, optimiser.weights)


def is_full_batch(optimiser: Optimiser, size: int) -> bool:
    """Whether every step uses every sample once (E2: lambda = mu)."""
    return isinstance(optimiser, GradientDescent) or (optimiser.batch == size and (not optimiser.replacement or size == 1))


def probabilities(optimiser: Optimiser, size: int) -> Vector:
    """Probability of each sample in one draw."""
    weights = optimiser.weights if isinstance(optimiser, SGD) else None
    if weights is None:
        return (Fraction(1, size),) * size
    total = sum(weights)
    return tuple(w / total for w in weights)


def count_batches(optimiser: Optimiser, size: int, samples: int) -> int:
    """Number of different batches as seen by `samples` of the N = `size` samples."""
    if is_full_batch(optimiser, size):
        return 1
    assert isinstance(optimiser, SGD)
    outside, b = size - samples, optimiser.batch
    if optimiser.replacement:
        return math.comb(samples + b, b) if outside else math.comb(samples + b - 1, b)
    return sum(math.comb(samples, t) for t in range(max(0, b - outside), min(samples, b) + 1))


def batches(optimiser: Optimiser, size: int, samples: Sequence[int]) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Multiplicities on `samples` in descending lexicographic order, with probabilities; what falls outside only counts."""
    if is_full_batch(optimiser, size):
        yield (1,) * len(samples), Fraction(1)
        return
    assert isinstance(optimiser, SGD)
    b, outside, p = optimiser.batch, size - len(samples), probabilities(optimiser, size)
    spare = (b if outside else 0) if optimiser.replacement else outside
    rest = 1 - sum(p[i] for i in samples)
    for m in multiplicities(len(samples), b, b if optimiser.replacement else 1, spare):
        left = b - sum(m)
        if optimiser.replacement or b == 1:
            ways = math.factorial(b) // math.prod(map(math.factorial, m)) // math.factorial(left)
            yield m, ways * math.prod((p[i] ** e for i, e in zip(samples, m, strict=True)), start=rest**left)
        else:
            yield m, Fraction(math.comb(outside, left), math.comb(size, b))


def multiplicities(length: int, total: int, cap: int, spare: int) -> Iterator[tuple[int, ...]]:
    """Vectors with entries in 0..cap and sum in total - spare .. total, descending."""
    if length == 0:
        yield ()
        return
    for first in range(min(cap, total), max(0, total - spare - cap * (length - 1)) - 1, -1):
        for rest in multiplicities(length - 1, total - first, cap, spare):
            yield (first, *rest)


def matrix_family(minimum: Minimum, optimiser: Optimiser, samples: Sequence[int] | None = None) -> MatrixFamily:
    """The exact family of the optimiser on range(K_CC), C = `samples` (default all): d x d matrices, d = rank K_CC.

    Raises `InputError` beyond 5000 different batches.
    """
    chosen = range(minimum.size) if samples is None else samples
    count = count_batches(optimiser, minimum.size, len(chosen))
    if count > MAX_STEPS:
        raise InputError(f"batch gives {count} different batches, more than the {MAX_STEPS} for which the exact family is written down")
    gram = minimum.block(chosen)
    basis, coefficients = _row_basis(gram)
    d = len(basis)
    if count * d * d > MAX_ENTRIES:
        raise InputError(f"the exact family would have {count} matrices of size {d} x {d}, more than is written down")
    eta = optimiser.step_size / (minimum.size if isinstance(optimiser, GradientDescent) else optimiser.batch)
    pulls = [[[eta * gram[i][j] * y for y in coefficients[j]] for i in basis] for j in range(len(chosen))]

    def steps() -> Iterator[tuple[Matrix, Fraction]]:
        for m, p in batches(optimiser, minimum.size, chosen):
            active = [(e, pull) for e, pull in zip(m, pulls, strict=True) if e]
            yield tuple(tuple(Fraction(i == j) - sum(e * pull[i][j] for e, pull in active) for j in range(d)) for i in range(d)), p

    return MatrixFamily.merged(steps(), d)


def _row_basis(gram: Matrix) -> tuple[list[int], list[Vector]]:
    """Greedy row basis I of K, and for every row j its coefficients C_ji in that basis: K_j = sum_i C_ji K_i."""
    from flint import fmpq, fmpq_mat

    size = len(gram)
    # Row i is in the greedy basis iff column i of K^T = K is a pivot column of the reduced row echelon form; its columns are the C_ji.
    echelon, rank = fmpq_mat(size, size, [fmpq(x.numerator, x.denominator) for row in gram for x in row]).rref()
    entries = [[echelon[r, c] for c in range(size)] for r in range(rank)]
    basis = [next(c for c in range(size) if row[c] != 0) for row in entries]
    return basis, [tuple(Fraction(int(row[j].p), int(row[j].q)) for row in entries) for j in range(size)]
