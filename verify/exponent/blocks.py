"""The step-size independent half of a Monte Carlo run: connected components of K, their rank, and vectors to start from.

Memory: K (N x N) or features X (N x D) are used where they lie, float32 or float64: N = 20,000 in float64 is 3.2 GB, in float32 1.6 GB. Copies are made
up to dimension `EIGEN_LIMIT`, and two of the block beyond it while its rank is determined (up to `RANK_LIMIT`). D < N: K is never formed.

Rank: eigenvalues up to `RANK_TOLERANCE` (1e-6 for float32) times the largest count as zero: from an eigendecomposition up to `EIGEN_LIMIT`, from a Cholesky
factorisation with complete pivoting up to `RANK_LIMIT`. Beyond that `Block.checked` is False: lambda on the range of K is then enclosed by what vectors in the
range do (a lower end, as long as round-off has not led them out of it) and what any vectors do (an upper end).

The slowest direction is known up to `EIGEN_LIMIT`. Beyond, vectors start in random combinations of slow directions, and the growth of n steps may fall short
of n lambda by about C_d (`mean_log_cosine`, as in `upper_bound`): `Block.unresolved`, which widens the intervals by C_d / n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError

Floats = NDArray[np.float64]
Reals = NDArray[Any]  # float32 or float64
RANK_TOLERANCE = 1e-12
SINGLE_TOLERANCE = 1e-6  # the same for float32, whose rounding moves eigenvalues by about 1e-7 of the largest
COUPLING_TOLERANCE = 1e-14
EIGEN_LIMIT = 1024
RANK_LIMIT = 6000
FILTER_DEGREE, FILTER_RATIO = 32, 100.0


@dataclass(frozen=True)
class Block:
    """One component of the samples: `rows` = K (n, n) in residual coordinates or, with `factor`, gradients (n, d) in coordinates of their span.

    `slow` (d,) is the direction of the smallest eigenvalue, of norm 1, in the coordinates of the rows; None where it was not computed.
    """

    samples: NDArray[np.int64]
    norms: Floats  # K_ii
    rows: Reals
    factor: bool
    slow: Floats | None
    checked: bool = True

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    @property
    def leak(self) -> float:
        """By how many nats a vector in the range of K may shrink until round-off outside of it may show."""
        return 6.0 if self.rows.dtype == np.float32 else 20.0

    @property
    def unresolved(self) -> float:
        """By how many nats the growth of the vectors of `start` may fall short of that of the steps: C_d, unless they start in the slowest direction."""
        return mean_log_cosine(self.dimension) if self.slow is None else 0.0

    def start(self, count: int, seed: int) -> Floats:
        """(count, d) vectors near the slow directions of the mean step: small steps would take long to find them from elsewhere.

        Where the rank is not known the first half lies in the range of K; the second half has whatever directions there are.
        """
        noise = random_directions(count, self.dimension, seed)
        if self.slow is not None:
            return self.slow + 1e-3 * noise
        found = self._filtered(noise.T.astype(self.rows.dtype))
        if not self.checked:
            found[:, : count // 2] = self._apply(found[:, : count // 2])
        start: Floats = np.ascontiguousarray(found.T, dtype=np.float64)
        start /= np.linalg.norm(start, axis=1, keepdims=True)
        return start

    def _filtered(self, vectors: Reals) -> Reals:
        """T(M) v for the columns v, M = K (with `factor` X^T X), T the Chebyshev polynomial that is small on [max/100, max] and large below."""
        a = vectors
        for _ in range(6):
            b = self._apply(a)
            largest = float(np.linalg.norm(b) / np.linalg.norm(a))
            a = b / largest
        high, low = 1.2 * largest, 1.2 * largest / FILTER_RATIO
        scale, shift = 2 / (high - low), (high + low) / (high - low)
        previous, current = vectors, scale * self._apply(vectors) - shift * vectors
        for _ in range(FILTER_DEGREE - 1):
            previous, current = current, 2 * (scale * self._apply(current) - shift * current) - previous
        return current

    def _apply(self, vectors: Reals) -> Reals:
        found: Reals = self.rows.T @ (self.rows @ vectors) if self.factor else self.rows @ vectors
        return found


def gram_block(gram: Reals, samples: NDArray[np.int64]) -> Block:
    """The block of a component from its Gram matrix (n, n)."""
    n, tolerance = len(gram), _tolerance(gram)
    norms = np.diag(gram).astype(float)
    if n > RANK_LIMIT:
        return Block(samples, norms, gram, False, None, checked=False)
    if n > EIGEN_LIMIT:
        factor = pivoted_cholesky(gram, tolerance)
        return Block(samples, norms, gram, False, None) if factor.shape[1] == n else Block(samples, norms, factor, True, None)
    values, vectors = np.linalg.eigh(gram.astype(float))
    if values[0] < -1e4 * tolerance * values[-1]:
        raise InputError(f"gram has the eigenvalue {values[0]:.3g} (largest {values[-1]:.3g}) but a Gram matrix has none below zero; compute it in float64")
    keep = values > tolerance * values[-1]
    if keep.all():
        return Block(samples, norms, np.ascontiguousarray(gram), False, vectors[:, 0])
    rows = np.ascontiguousarray(vectors[:, keep] * np.sqrt(values[keep]))
    return Block(samples, norms, rows, True, np.eye(rows.shape[1])[0])


def features_block(features: Reals, samples: NDArray[np.int64]) -> Block:
    """The block of a component from its features (n, D); K is formed only if n <= D, where it is smaller than they are."""
    n, dimension = features.shape
    if n <= dimension:
        return gram_block(features @ features.T, samples)
    norms = np.einsum("ij,ij->i", features, features, dtype=float)
    if dimension > RANK_LIMIT:
        return Block(samples, norms, features, True, None, checked=False)
    moments = np.zeros((dimension, dimension))
    for part in _chunks(features):
        moments += part.T @ part
    tolerance = _tolerance(features)
    if dimension > EIGEN_LIMIT and pivoted_cholesky(moments, tolerance).shape[1] == dimension:
        return Block(samples, norms, features, True, None)
    values, vectors = np.linalg.eigh(moments)
    keep = values > tolerance * values[-1]
    if keep.all():
        return Block(samples, norms, features, True, vectors[:, 0])
    basis = vectors[:, keep]
    return Block(samples, norms, np.ascontiguousarray(features @ basis), True, np.eye(basis.shape[1])[0])


def pivoted_cholesky(gram: Reals, tolerance: float) -> Floats:
    """F (n, rank) with K = F F^T up to pivots of at most `tolerance` n times the largest K_ii (LAPACK's dpstrf: n rank^2 operations)."""
    from scipy.linalg.lapack import dpstrf

    lower, pivots, rank, _ = dpstrf(np.array(gram, dtype=float, order="F"), tol=tolerance * len(gram) * float(np.diag(gram).max()), lower=1)
    factor = np.empty((len(gram), rank))
    factor[pivots - 1] = np.tril(lower[:, :rank])
    return factor


def components(norms: Floats, row: Callable[[int], Floats]) -> list[NDArray[np.int64]]:
    """Connected components of the graph with an edge where |K_ij| > 1e-14 sqrt(K_ii K_jj) (below that is round-off); zero gradients belong to none."""
    scale = np.sqrt(norms)
    unseen = scale > 0
    parts = []
    for root in range(len(norms)):
        if not unseen[root]:
            continue
        unseen[root] = False
        members, at = [root], 0
        while at < len(members) and unseen.any():
            i = members[at]
            new = np.flatnonzero(unseen & (np.abs(row(i)) > COUPLING_TOLERANCE * scale[i] * scale))
            unseen[new] = False
            members.extend(int(j) for j in new)
            at += 1
        parts.append(np.array(sorted(members), dtype=np.int64))
    return parts


def checked_gram(gram: Reals) -> Reals:
    """K, symmetrised where it is symmetric up to 1e-8 only (1e-6 for float32), without temporary copies. Raises `InputError` for what no K can be."""
    k = gram
    diagonal = np.diag(k).astype(float) if k.shape[0] == k.shape[1] else np.full(1, -1.0)
    asymmetry = 1e4 * _tolerance(k) if k.dtype == np.float64 else _tolerance(k)
    symmetric, scale = True, np.sqrt(np.abs(diagonal))
    wrong = bool(np.any(diagonal < 0))
    for a in range(0, 0 if wrong else len(k), 256):
        rows, columns, bound = k[a : a + 256], k[:, a : a + 256].T, np.outer(scale[a : a + 256], scale)
        gaps = np.abs(rows - columns)
        symmetric &= not gaps.any()
        wrong |= bool(np.any(gaps > asymmetry * bound))
        if np.any(np.abs(rows) > (1 + asymmetry) * bound):
            raise InputError("gram has |K_ij| > sqrt(K_ii K_jj), which no Gram matrix has")
    if wrong:
        raise InputError(f"gram, of shape {k.shape}, is not a symmetric positive semidefinite matrix (N, N); symmetrise it or look for the error in it")
    return k if symmetric else (k + k.T) / 2


def mean_log_cosine(dimension: int) -> float:
    """C_d = -E log|v_1| for v uniform on the unit sphere of R^d: (psi(d/2) - psi(1/2)) / 2; 0 for d = 1, log 2 for d = 2, about log(d)/2 + 0.64."""
    from scipy.special import digamma

    return float(digamma(dimension / 2) - digamma(0.5)) / 2


def random_directions(count: int, size: int, seed: int) -> Floats:
    """(count, size) independent random directions of norm 1."""
    vectors: Floats = np.random.default_rng(seed & ((1 << 64) - 1)).standard_normal((count, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _chunks(rows: Reals) -> Iterator[Floats]:
    return (rows[a : a + 1024].astype(float) for a in range(0, len(rows), 1024))


def _tolerance(array: Reals) -> float:
    return SINGLE_TOLERANCE if array.dtype == np.float32 else RANK_TOLERANCE
