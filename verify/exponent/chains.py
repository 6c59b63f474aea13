"""From a Gram matrix, features or a matrix family to independent Markov chains whose mean log growth estimates the top Lyapunov exponent.

A problem is first cut into parts that do not interact: the connected components of the graph of K (lambda is the maximum over them, each run with its own
samples), or the strongly connected diagonal blocks of a family (block triangular products grow at the rate of their fastest diagonal block). Without
this the direction of the vector need never become stationary and a finite run overestimates lambda by about 1/sqrt(n). One-dimensional parts are sums of
logarithms and need no sampling.

Each remaining part runs in residual coordinates r_j <- r_j - (eta/B) sum_{i in S} K_ji r_i, or, where K is numerically singular (eigenvalues up to
`RANK_TOLERANCE` times the largest count as zero), in an orthonormal basis of the span of the gradients g_i, w <- w - (eta/B) sum_{i in S} g_i <g_i, w>:
on R^N a singular K leaves a neutral direction, which round-off feeds, and every negative exponent would come out as 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError

Floats = NDArray[np.float64]
RANK_TOLERANCE = 1e-12
COUPLING_TOLERANCE = 1e-14
# A vector of norm 1 stays within exp(+-300) between two renormalisations, and its square within the range of a double.
LOG_RANGE = 300.0
# The most that one step can shrink a vector by cancellation: round-off leaves about 1e-16 of it.
LOG_CANCELLATION = 37.0
MERGE_AT = 64


class Chains:
    """Independent chains of one part, and the log growth of each in consecutive pieces of equal length (pieces are merged in pairs when they become many)."""

    def __init__(self, move: Callable[..., None], state: Floats, seed: int, spacing: int, burn: int, cost: int) -> None:
        from . import kernels

        self.move, self.state, self.spacing, self.burn = move, np.ascontiguousarray(state), spacing, burn
        self.count = len(state)
        self.rng = kernels.splitmix(seed, self.count)
        # A first piece of about 2^22 multiplications keeps the time between two looks at the clock near a millisecond.
        self.length = 1 << max(3, min(8, int(math.log2(max(1.0, 2**22 / (self.count * cost))))))
        self.pieces: list[Floats] = []
        self.shapes: list[Floats] = []  # after each piece
        self._advance(0)  # compiles, or loads from the cache, before any clock runs

    @property
    def steps(self) -> int:
        """Steps of each chain so far, burn-in included."""
        return self.length * len(self.pieces)

    def _advance(self, steps: int) -> Floats:
        growth = np.zeros(self.count)
        spacing = min(self.spacing, self.length)
        self.move(self.state, self.rng, steps // spacing, spacing, growth)
        return growth

    def extend(self, steps: int, deadline: float) -> bool:
        """Run until each chain has `steps` steps, or the time `deadline` of `perf_counter` (at least 8 pieces in any case). True if the steps were reached."""
        while self.steps < steps or len(self.pieces) < 8:
            if len(self.pieces) >= 8 and perf_counter() > deadline:
                return False
            self.pieces.append(self._advance(self.length))
            with np.errstate(divide="ignore", invalid="ignore"):
                self.shapes.append(np.log(np.abs(self.state).sum(axis=1)) - np.log(np.square(self.state).sum(axis=1)) / 2)
            if len(self.pieces) == MERGE_AT:
                self.shapes = self.shapes[1::2]
                self.pieces = [self.pieces[k] + self.pieces[k + 1] for k in range(0, MERGE_AT, 2)]
                self.length *= 2
        return True

    @property
    def first(self) -> int:
        """The first piece after the burn-in: `burn` steps (but at most half the run) or an eighth of the run, whichever is longer."""
        count = len(self.pieces)
        return max(-(-count // 8), min(-(-self.burn // self.length), count // 2))

    @property
    def measured(self) -> int:
        """Steps of each chain after the burn-in."""
        return (len(self.pieces) - self.first) * self.length

    def means(self) -> tuple[Floats, Floats, Floats]:
        """Three arrays (chains,) in nats per step: the growth after the burn-in, how much it changed from the first to the second half of that
        time, and how much more it would be in the 1-norm than in the Euclidean norm (a sum of which only the ends remain)."""
        window = self.pieces[self.first :]
        half = len(window) // 2
        with np.errstate(invalid="ignore"):
            change = (np.sum(window[-half:], axis=0) - np.sum(window[:half], axis=0)) / (half * self.length)
            shape = (self.shapes[-1] - self.shapes[self.first - 1]) / self.measured
        return np.sum(window, axis=0) / self.measured, change, shape


@dataclass(frozen=True)
class Part:
    """lambda of a part = scale * growth per step of its chains, or `exact` where there are no chains."""

    exact: float = -math.inf
    chains: Chains | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Block:
    """One component of the samples: `rows` = K (n, n) in residual coordinates or, with `factor`, gradients (n, d) in an orthonormal basis of their span."""

    samples: NDArray[np.int64]
    norms: Floats  # K_ii
    rows: Floats
    factor: bool
    slow: Floats  # the direction of the smallest eigenvalue of K, in the coordinates of the rows, of norm 1

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])


@dataclass(frozen=True)
class SGDProblem:
    """Everything about SGD at a minimum that does not depend on the step size."""

    blocks: tuple[Block, ...]
    probabilities: Floats
    uniform: bool
    batch: int
    replacement: bool

    @classmethod
    def build(
        cls, size: int, norms: Floats, row: Callable[[int], Floats], part: Callable[[NDArray[np.int64]], Block], batch: int, replacement: bool, weights: object
    ) -> SGDProblem:
        """`row(i)` is row i of K, `part(samples)` the block of a component."""
        if batch < 1 or (batch > size and not replacement):
            raise InputError(f"batch = {batch} is not between 1 and the number of samples, {size}")
        probabilities = np.full(size, 1 / size)
        if weights is not None:
            if batch > 1 and not replacement:
                raise InputError("weights with batch > 1 need replacement=True: a batch without replacement is uniform over the sets of its size")
            probabilities = np.asarray(weights, dtype=float)
            if probabilities.shape != (size,) or not np.all(np.isfinite(probabilities)) or not np.all(probabilities > 0):
                raise InputError(f"weights must be {size} positive finite numbers, one for each sample; leave out a sample that is never drawn")
            probabilities = probabilities / probabilities.sum()
        blocks = tuple(part(samples) for samples in components(norms, row))
        if not blocks:
            raise InputError("every gradient is zero: there is no direction to measure; give a Gram matrix that is not zero")
        uniform = bool(np.all(probabilities == probabilities[0]))
        return cls(blocks, probabilities, uniform, batch, replacement or batch == 1)

    def at(self, step_size: float, seed: int) -> list[Part]:
        """The parts at one step size. The same seed draws the same samples whatever the step size."""
        largest = max(float(block.norms.max()) for block in self.blocks)
        if not 0 < step_size < math.inf or step_size * largest > 1e150:
            raise InputError(f"step_size = {step_size} must be positive, and step_size times the largest K_ii ({largest:.3g}) at most 1e150")
        return [self._part(block, step_size, seed, index) for index, block in enumerate(self.blocks)]

    def _part(self, block: Block, eta: float, seed: int, index: int) -> Part:
        p = self.probabilities[block.samples]
        share = float(p.sum())
        if self.batch == 1 and block.dimension == 1:
            return Part(exact=expected_log(p, 1 - eta * block.norms))
        if len(block.samples) == 1:
            counts, chances = multiplicities(self.batch, share, self.replacement)
            return Part(exact=expected_log(chances, 1 - eta * float(block.norms[0]) * counts / self.batch))
        if not self.replacement and self.batch == len(self.probabilities):  # full batch: one symmetric matrix
            values = np.linalg.eigvalsh(block.rows.T @ block.rows if block.factor else block.rows)
            return Part(exact=expected_log(np.ones(1), np.array([np.abs(1 - eta * values / self.batch).max()])))
        seed = seed ^ (index * 0x9E3779B97F4A7C15)
        state = self._start(block, seed)
        spacing = self._spacing(eta * block.norms, block.dimension)
        burn = int(20 * len(block.samples) / min(self.batch, len(block.samples)))
        if self.batch == 1 and not block.factor:
            return Part(chains=self._single(block, eta, p / share, state, seed, spacing, burn), scale=share)
        return Part(chains=self._batched(block, eta, state, seed, spacing, burn))

    def _single(self, block: Block, eta: float, p: Floats, state: Floats, seed: int, spacing: int, burn: int) -> Chains:
        from . import kernels

        size = block.dimension
        padded = size if size <= kernels.SMALL else -(-size // 4) * 4
        scaled = np.zeros((size, padded))
        scaled[:, :size] = eta * block.rows
        state = np.pad(state, ((0, 0), (0, padded - size)))
        uniform = self.uniform and size <= 1 << 16
        lanes = 8 if size <= kernels.SMALL or (uniform and size <= 64) else 2
        kernel = kernels.single(size if size <= kernels.SMALL else 0, lanes, uniform)
        move = functools.partial(kernel, scaled, *kernels.alias_table(p))
        return Chains(move, state, seed, spacing, burn, padded)

    def _batched(self, block: Block, eta: float, state: Floats, seed: int, spacing: int, burn: int) -> Chains:
        from . import kernels

        p, slot = self.probabilities, np.arange(len(block.samples))
        if len(block.samples) < len(p):
            slot = np.full(len(p), -1)
            slot[block.samples] = np.arange(len(block.samples))
        rows = np.ascontiguousarray(block.rows * (math.sqrt(eta / self.batch) if block.factor else eta / self.batch))
        order = np.tile(np.arange(len(p)), (1 if self.replacement else len(state), 1))
        move = functools.partial(kernels.batched(block.factor), rows, slot, *kernels.alias_table(p), self.batch, self.replacement, order)
        return Chains(move, state, seed, spacing, burn, self.batch * block.dimension)

    @staticmethod
    def _start(block: Block, seed: int) -> Floats:
        """Start near the slowest direction of the mean step, plus a small random part: small steps would take long to find it from elsewhere."""
        size = block.dimension
        noise = random_directions(64 if size <= 64 else 32, size, seed)
        return block.slow + 1e-3 * noise

    def _spacing(self, c: Floats, dimension: int) -> int:
        """Steps between renormalisations. In the metric of span{g_i} a step of batch 1 stretches by at most max(1, |1 - c|) and shrinks by at most
        min(1, |1 - c|); a batch stretches by at most max(1, |1 - max c|), and does not shrink by more than |1 - max c| if that is below 1."""
        factors = np.abs(1 - c)
        down = float(factors.min())
        if self.batch > 1:
            down = max(0.0, 1 - float(c.max()))
        return spacing(float(max(1.0, factors.max())), min(1.0, down), dimension)


def family_parts(matrices: Floats, probabilities: Floats, seed: int) -> list[Part]:
    """The strongly connected diagonal blocks of a family (m, d, d); what the probabilities leave to 1 goes to the identity."""
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(np.any(matrices != 0, axis=0), directed=True, connection="strong")
    parts = []
    for index in range(count):
        inside = np.flatnonzero(labels == index)
        blocks = np.ascontiguousarray(matrices[:, inside[:, None], inside])
        parts.append(_family_part(blocks, probabilities, seed ^ (index * 0x9E3779B97F4A7C15)))
    return parts


def _family_part(matrices: Floats, probabilities: Floats, seed: int) -> Part:
    from . import kernels

    size = matrices.shape[1]
    if size == 1:
        return Part(exact=expected_log(probabilities, matrices[:, 0, 0]))
    stretch = np.linalg.svd(matrices, compute_uv=False)
    gap = spacing(max(1.0, float(stretch.max())), min(1.0, float(stretch.min())), size)
    rest = 1 - float(probabilities.sum())
    if rest > 1e-14:
        matrices = np.concatenate([matrices, np.eye(size)[None]])
        probabilities = np.append(probabilities, rest)
    state = random_directions(64 if size <= 64 else 32, size, seed)
    move = functools.partial(kernels.dense(size if size <= kernels.SMALL else 0), matrices, *kernels.alias_table(probabilities))
    return Part(chains=Chains(move, state, seed, gap, 100 * len(matrices), size * size))


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


def gram_block(gram: Floats, samples: NDArray[np.int64]) -> Block:
    """The block of a component from its Gram matrix (n, n)."""
    norms = np.ascontiguousarray(np.diag(gram))
    values, vectors = np.linalg.eigh(gram)
    if values[0] < -1e-8 * values[-1]:
        raise InputError(f"gram has the eigenvalue {values[0]:.3g} (largest {values[-1]:.3g}) but a Gram matrix has none below zero; compute it in float64")
    keep = values > RANK_TOLERANCE * values[-1]
    if keep.all():
        return Block(samples, norms, np.ascontiguousarray(gram), False, vectors[:, 0])
    rows = np.ascontiguousarray(vectors[:, keep] * np.sqrt(values[keep]))
    return Block(samples, norms, rows, True, np.eye(rows.shape[1])[0])


def features_block(features: Floats, samples: NDArray[np.int64]) -> Block:
    """The block of a component from its features (n, D); K is formed only if n <= D."""
    if len(features) <= features.shape[1]:
        return gram_block(features @ features.T, samples)
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    keep = singular**2 > RANK_TOLERANCE * singular[0] ** 2
    rows = np.ascontiguousarray(left[:, keep] * singular[keep])
    return Block(samples, np.einsum("ij,ij->i", features, features), rows, True, np.eye(rows.shape[1])[-1])


def expected_log(chances: Floats, factors: Floats) -> float:
    """sum_k chances[k] log|factors[k]|; -inf if a factor of positive chance is zero."""
    possible = chances > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(chances[possible] * np.log(np.abs(factors[possible]))))


def multiplicities(batch: int, chance: float, replacement: bool) -> tuple[Floats, Floats]:
    """How often one sample is in a batch, and with what probability: binomial, or at most once without replacement (`chance` = 1/N)."""
    if not replacement:
        return np.array([0.0, 1.0]), np.array([1 - batch * chance, batch * chance])
    from scipy.special import gammaln, xlog1py, xlogy

    m = np.arange(batch + 1.0)
    logs = gammaln(batch + 1) - gammaln(m + 1) - gammaln(batch - m + 1) + xlogy(m, chance) + xlog1py(batch - m, -chance)
    return m, np.exp(logs)


def spacing(stretch: float, shrink: float, dimension: int) -> int:
    """The largest power of two, at most 256, of steps that stretch by `stretch` and shrink by `shrink` at most without leaving exp(+-300)."""
    if shrink == 0 and dimension <= 2:
        return 1  # the direction after a singular step is then exact, so that a product that is exactly zero is seen as zero
    down = min(LOG_CANCELLATION, -math.log(shrink)) if shrink > 0 else LOG_CANCELLATION
    largest = LOG_RANGE / max(math.log(stretch), down, 1e-9)
    return 1 << int(math.log2(min(256.0, max(1.0, largest))))


def random_directions(count: int, size: int, seed: int) -> Floats:
    """(count, size) independent random directions of norm 1."""
    vectors: Floats = np.random.default_rng(seed & ((1 << 64) - 1)).standard_normal((count, size))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
