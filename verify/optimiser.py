"""Optimisers as exact families of matrices in residual coordinates.

At a minimum with Gram matrix K the linearised step on a batch with multiplicities m (sum m_i = B) is r <- S_m r,
S_m = (1 - eta omega + beta) I - (eta/B) sum_i m_i K E_i E_i^T on range(K), E_i the rows that sample i owns (one for each output), omega the weight decay. With
momentum beta > 0 (heavy ball) the state is (r_n, r_(n-1)) and the step [[S_m, -beta I], [I, 0]]. Without both it is conjugate to
I - (eta/B) sum_i m_i g_i g_i^T on span{g_i}. Gradient descent is the full batch; an epoch of `Reshuffled` is the product of the steps of an ordered partition
of the samples. A rank-deficient K is handled in the coordinates r_I of its greedy row basis I.

With weight decay w* is no fixed point of the single steps: the exponents are those of the linear part.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from .exact import InputError, Matrix, Vector, positive, rational
from .family import MatrixFamily
from .minimum import MeasuredMinimum, Minimum

# Beyond this many different batches a family is not written down: exact methods say so, Monte Carlo goes on.
MAX_STEPS = 5000
MAX_ENTRIES = 200_000


class _Descent:
    """What all optimisers share: w_(n+1) = w_n - eta (grad + omega w_n) + beta (w_n - w_(n-1))."""

    step_size: Fraction
    momentum: Fraction
    weight_decay: Fraction

    def _set(self, step_size: Any, momentum: Any, weight_decay: Any) -> None:
        beta, omega = rational(momentum, "momentum"), rational(weight_decay, "weight_decay")
        if not 0 <= beta < 1:
            raise InputError(f"momentum = {beta} is not in [0, 1); heavy ball needs 0 <= momentum < 1, write for example \"9/10\"")
        if omega < 0:
            raise InputError(f"weight_decay = {omega} is negative; write a number that is at least 0, for example \"1/1000\"")
        for name, value in (("step_size", positive(step_size, "step_size")), ("momentum", beta), ("weight_decay", omega)):
            object.__setattr__(self, name, value)

    @property
    def plain(self) -> bool:
        """Neither momentum nor weight decay."""
        return not (self.momentum or self.weight_decay)


@dataclass(frozen=True)
class GradientDescent(_Descent):
    """w <- w - eta grad L(w), L the mean loss; with momentum (heavy ball) and weight decay if given."""

    step_size: Fraction
    momentum: Fraction
    weight_decay: Fraction

    def __init__(self, step_size: Any, momentum: Any = 0, weight_decay: Any = 0) -> None:
        self._set(step_size, momentum, weight_decay)

    kind = "gd"


@dataclass(frozen=True)
class SGD(_Descent):
    """w <- w - eta grad of the mean loss of a random batch; with momentum (heavy ball) and weight decay if given.

    `batch` samples are drawn with replacement (with probabilities proportional to `weights`, default uniform) or without (uniformly). `weights` "kaczmarz" are
    proportional to |g_i|^2 = K_ii (the trace of the block of sample i for several outputs); a `Problem` resolves them to numbers.
    """

    step_size: Fraction
    batch: int
    replacement: bool
    weights: Vector | None
    momentum: Fraction
    weight_decay: Fraction
    kaczmarz: bool

    def __init__(
        self,
        step_size: Any,
        batch: int = 1,
        replacement: bool = True,
        weights: Sequence[Any] | str | None = None,
        momentum: Any = 0,
        weight_decay: Any = 0,
        kaczmarz: bool = False,
    ) -> None:
        _check_batch(batch)
        if not isinstance(replacement, bool):
            raise InputError(f"replacement = {replacement!r} is not a truth value; write true or false")
        if isinstance(weights, str) and weights != "kaczmarz":
            raise InputError(f"weights = {weights!r} is not known; write \"kaczmarz\" (proportional to K_ii) or a list of one positive number for each sample")
        kaczmarz, weights = (True, None) if isinstance(weights, str) else (kaczmarz, weights)
        if (weights is not None or kaczmarz) and batch > 1 and not replacement:
            raise InputError(f"weights with batch = {batch} without replacement is not defined; use replacement = true or leave weights out")
        self._set(step_size, momentum, weight_decay)
        exact = None if weights is None else tuple(positive(w, f"weights[{i}]") for i, w in enumerate(weights))
        for name, value in (("batch", batch), ("replacement", replacement), ("weights", exact), ("kaczmarz", kaczmarz)):
            object.__setattr__(self, name, value)

    kind = "sgd"


@dataclass(frozen=True)
class Reshuffled(_Descent):
    """SGD in epochs: every epoch visits every sample once, in N/B batches of B = `batch` samples after a fresh uniform shuffle. Exponents are per step."""

    step_size: Fraction
    batch: int
    momentum: Fraction
    weight_decay: Fraction

    def __init__(self, step_size: Any, batch: int = 1, momentum: Any = 0, weight_decay: Any = 0) -> None:
        _check_batch(batch)
        self._set(step_size, momentum, weight_decay)
        object.__setattr__(self, "batch", batch)

    kind = "reshuffled"


Optimiser = GradientDescent | SGD | Reshuffled


def _check_batch(batch: Any) -> None:
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch = {batch!r} is not a positive integer; write for example 1")


def checked_for(optimiser: Optimiser, minimum: Minimum | MeasuredMinimum) -> Optimiser:
    """The optimiser, if it fits the samples, with Kaczmarz weights as numbers; else `InputError`."""
    if not isinstance(optimiser, Optimiser):
        raise InputError(f"optimiser = {optimiser!r} is not an optimiser; write for example SGD(\"1/10\") or GradientDescent(\"1/10\")")
    size = minimum.size
    if not isinstance(optimiser, GradientDescent) and optimiser.batch > 1000:
        raise InputError(f"batch = {optimiser.batch} is above 1000, the largest batch that is supported")
    if isinstance(optimiser, Reshuffled) and size % optimiser.batch:
        raise InputError(f"batch = {optimiser.batch} does not divide the number of samples N = {size}; a reshuffled epoch has N/batch batches of one size")
    if isinstance(optimiser, SGD):
        if optimiser.batch > size and not optimiser.replacement:
            raise InputError(f"batch = {optimiser.batch} is larger than the number of samples N = {size}; without replacement it is at most N")
        if optimiser.kaczmarz:
            return replace(optimiser, weights=_kaczmarz(minimum))
        if optimiser.weights is not None and len(optimiser.weights) != size:
            raise InputError(f"weights has {len(optimiser.weights)} entries for N = {size} samples; give one weight for each")
    return optimiser


def _kaczmarz(minimum: Minimum | MeasuredMinimum) -> Vector:
    """|g_i|^2, exactly."""
    norms = [Fraction(x) for x in minimum.diagonal]
    found = tuple(sum(norms[i * minimum.outputs : (i + 1) * minimum.outputs], start=Fraction(0)) for i in range(minimum.size))
    if not all(found):
        raise InputError(f"weights = \"kaczmarz\" never draws sample {found.index(Fraction(0))}, whose gradient is zero; leave that sample out")
    return found


def with_step_size(optimiser: Optimiser, step_size: Fraction) -> Optimiser:
    """The same optimiser at another step size."""
    return replace(optimiser, step_size=step_size)


def single_steps(optimiser: Optimiser) -> Optimiser:
    """The optimiser whose steps are those of the single batches: itself, but batches without replacement for reshuffled epochs."""
    if not isinstance(optimiser, Reshuffled):
        return optimiser
    return SGD(optimiser.step_size, optimiser.batch, False, momentum=optimiser.momentum, weight_decay=optimiser.weight_decay)


def full_descent(optimiser: Optimiser) -> GradientDescent:
    """Gradient descent with the same step size, momentum and weight decay: what mu is about."""
    return GradientDescent(optimiser.step_size, optimiser.momentum, optimiser.weight_decay)


def is_full_batch(optimiser: Optimiser, size: int) -> bool:
    """Whether every step uses every sample once (E2: lambda = mu)."""
    if isinstance(optimiser, SGD):
        return optimiser.batch == size and (not optimiser.replacement or size == 1)
    return isinstance(optimiser, GradientDescent) or optimiser.batch == size


def epoch_length(optimiser: Optimiser | None, size: int) -> int:
    """Steps in one member of the family: N/B for reshuffled epochs, else 1."""
    return size // optimiser.batch if isinstance(optimiser, Reshuffled) else 1


def probabilities(optimiser: Optimiser, size: int) -> Vector:
    """Probability of each sample in one draw."""
    if isinstance(optimiser, SGD) and optimiser.kaczmarz and optimiser.weights is None:
        raise InputError("weights = \"kaczmarz\" depend on the Gram matrix; build a Problem with this optimiser first")
    weights = optimiser.weights if isinstance(optimiser, SGD) else None
    if weights is None:
        return (Fraction(1, size),) * size
    total = sum(weights)
    return tuple(w / total for w in weights)


def count_batches(optimiser: Optimiser, size: int, samples: int) -> int:
    """Number of different batches (for reshuffled epochs: of ordered partitions of all samples) as seen by `samples` of the N = `size` samples."""
    if is_full_batch(optimiser, size):
        return 1
    if isinstance(optimiser, Reshuffled):
        return math.prod(math.comb(left, optimiser.batch) for left in range(size, 0, -optimiser.batch))
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
    """The exact family of the optimiser on range(K_CC), C = `samples` (default all): d x d matrices, d = rank K_CC, twice that with momentum.

    For reshuffled epochs a member is a whole epoch, in the lexicographic order of the partitions. Raises `InputError` beyond 5000 different batches.
    """
    chosen = range(minimum.size) if samples is None else samples
    count = count_batches(optimiser, minimum.size, len(chosen))
    kind = "epochs" if epoch_length(optimiser, minimum.size) > 1 else "batches"
    if count > MAX_STEPS:
        raise InputError(f"batch gives {count if count < 10**9 else 'more than 10^9'} different {kind}, more than the {MAX_STEPS} "
                         "for which the exact family is written down")  # fmt: skip
    gram = minimum.block(chosen)
    basis, coefficients = _row_basis(gram)
    rank, q, beta = len(basis), minimum.outputs, optimiser.momentum
    d = 2 * rank if beta else rank
    if count * d * d > MAX_ENTRIES:
        raise InputError(f"the exact family would have {count} matrices of size {d} x {d}, more than is written down")
    rate = optimiser.step_size / (minimum.size if isinstance(optimiser, GradientDescent) else optimiser.batch)
    owned = [range(sample * q, (sample + 1) * q) for sample in range(len(chosen))]
    pulls = [[[rate * sum(gram[i][j] * coefficients[j][a] for j in own) for a in range(rank)] for i in basis] for own in owned]
    keep = 1 + beta - optimiser.step_size * optimiser.weight_decay

    def step(m: Sequence[int]) -> Matrix:
        active = [(e, pull) for e, pull in zip(m, pulls, strict=True) if e]
        now = tuple(tuple((keep if i == j else Fraction(0)) - sum(e * pull[i][j] for e, pull in active) for j in range(rank)) for i in range(rank))
        if not beta:
            return now
        unit = tuple(tuple(Fraction(i == j) for j in range(rank)) for i in range(rank))
        return (*((*row, *(-beta * x for x in one)) for row, one in zip(now, unit, strict=True)), *((*one, *(Fraction(0),) * rank) for one in unit))

    if isinstance(optimiser, Reshuffled) and kind == "epochs":
        members = ((product, Fraction(1, count)) for product in _epochs(step, minimum.size, optimiser.batch, chosen, d))
    else:
        members = ((step(m), p) for m, p in batches(optimiser, minimum.size, chosen))
    return MatrixFamily.merged(members, d)


def _epochs(step: Any, size: int, batch: int, samples: Sequence[int], d: int) -> Iterator[Matrix]:
    """Products of the steps of the ordered partitions of all samples into batches, the first batch being the rightmost factor."""
    from flint import fmpq, fmpq_mat

    @functools.cache
    def factor(inside: tuple[bool, ...]) -> Any:
        return fmpq_mat(d, d, [fmpq(x.numerator, x.denominator) for row in step(inside) for x in row])

    def products(left: tuple[int, ...], so_far: Any) -> Iterator[Any]:
        if not left:
            yield so_far
        for first in itertools.combinations(left, batch):
            yield from products(tuple(i for i in left if i not in first), factor(tuple(i in first for i in samples)) * so_far)

    one = fmpq_mat(d, d, [int(i == j) for i in range(d) for j in range(d)])
    for found in products(tuple(range(size)), one):
        yield tuple(tuple(Fraction(int(found[i, j].p), int(found[i, j].q)) for j in range(d)) for i in range(d))


def _row_basis(gram: Matrix) -> tuple[list[int], list[Vector]]:
    """Greedy row basis I of K, and for every row j its coefficients C_ji in that basis: K_j = sum_i C_ji K_i."""
    from flint import fmpq, fmpq_mat

    size = len(gram)
    # Row i is in the greedy basis iff column i of K^T = K is a pivot column of the reduced row echelon form; its columns are the C_ji.
    echelon, rank = fmpq_mat(size, size, [fmpq(x.numerator, x.denominator) for row in gram for x in row]).rref()
    entries = [[echelon[r, c] for c in range(size)] for r in range(rank)]
    basis = [next(c for c in range(size) if row[c] != 0) for row in entries]
    return basis, [tuple(Fraction(int(row[j].p), int(row[j].q)) for row in entries) for j in range(size)]
