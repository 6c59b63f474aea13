"""From a Gram matrix, features or a matrix family to independent Markov chains whose mean log growth estimates the top Lyapunov exponent.

A problem is first cut into parts that do not interact: the connected components of the graph of K (lambda is the maximum over them, each run with its own
samples), or the strongly connected diagonal blocks of a family (block triangular products grow at the rate of their fastest diagonal block). Without
this the direction of the vector need never become stationary and a finite run overestimates lambda by about 1/sqrt(n). One-dimensional parts are sums of
logarithms and need no sampling.

Each remaining part runs in residual coordinates r_j <- r_j - (eta/B) sum_{i in S} K_ji r_i, or, where K is numerically singular (see `blocks`) or given by
features of lower dimension, in coordinates of the span of the gradients g_i, w <- w - (eta/B) sum_{i in S} g_i <g_i, w>: on R^N a singular K leaves a
neutral direction, which round-off feeds, and every negative exponent would come out as 0.

Chains share nothing, so that any number of threads gives the same result, bit for bit; all that a run is made of is in its `Snapshot`s.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from .blocks import Block, Floats, components, random_directions

# A vector of norm 1 stays within exp(+-300) between two renormalisations, and its square within the range of a double.
LOG_RANGE = 300.0
# The most that one step can shrink a vector by cancellation: round-off leaves about 1e-16 of it.
LOG_CANCELLATION = 37.0
MERGE_AT = 64
# Below this many multiplications threads cost more than they save.
THREADED = 1 << 25
# Up to this dimension each step size has its own copy of eta K, which saves a multiplication in every step.
COPY_LIMIT = 1024


@dataclass(frozen=True)
class Snapshot:
    """A run between two pieces: the arrays that a kernel changes (a row for each chain; vectors and random states come last), and what was measured."""

    arrays: tuple[NDArray[Any], ...]
    pieces: tuple[Floats, ...]  # log growth of each chain in consecutive pieces of `length` steps
    shapes: tuple[Floats, ...]  # log of the ratio of the 1-norm and the Euclidean norm after each piece
    length: int


class Chains:
    """Independent chains of one part, and the log growth of each in consecutive pieces of equal length (pieces are merged in pairs when they become many).

    `move(*arrays, rounds, spacing, growth)` is a kernel with its data bound; `extra` are arrays that it keeps for each chain besides `state`; it moves the
    chains in groups of `lanes`. `cost` is the number of multiplications of a step of one chain. `now` changes in one assignment, after a whole piece: an
    interruption loses at most the piece that was under way.
    """

    def __init__(
        self, move: Callable[..., None], state: Floats, seed: int, spacing: int, burn: int, cost: int, lanes: int = 1, extra: tuple[NDArray[Any], ...] = ()
    ) -> None:
        from . import kernels

        self.move, self.spacing, self.burn, self.cost, self.lanes = move, spacing, burn, cost, lanes
        self.count = len(state)
        # A first piece of about 2^22 multiplications keeps the time between two looks at the clock near a millisecond.
        length = 1 << max(3, min(8, int(math.log2(max(1.0, 2**22 / (self.count * cost))))))
        self.now = Snapshot((*extra, np.ascontiguousarray(state), kernels.splitmix(seed, self.count)), (), (), length)
        self._moved(0, 1, None)  # compiles, or loads from the cache, before any clock runs

    @property
    def steps(self) -> int:
        """Steps of each chain so far, burn-in included."""
        return self.now.length * len(self.now.pieces)

    def _moved(self, steps: int, threads: int, pool: ThreadPoolExecutor | None) -> tuple[tuple[NDArray[Any], ...], Floats]:
        arrays, growth = tuple(array.copy() for array in self.now.arrays), np.zeros(self.count)
        spacing = min(self.spacing, self.now.length)

        def run(part: slice) -> None:
            self.move(*(array[part] for array in arrays), steps // spacing, spacing, growth[part])

        if pool is None:
            run(slice(None))
        else:
            groups = self.count // self.lanes
            cuts = [self.lanes * (k * groups // threads) for k in range(threads + 1)]
            list(pool.map(run, [slice(a, b) for a, b in itertools.pairwise(cuts) if a < b]))
        return arrays, growth

    def extend(self, steps: int, deadline: float, threads: int = 1, after: Callable[[], None] | None = None) -> bool:
        """Run until each chain has `steps` steps, or the time `deadline` of `perf_counter` (at least 8 pieces in any case). True if the steps were reached.

        `after` is called after each piece. The result does not depend on the number of `threads`.
        """
        if threads > 1 and (steps - self.steps) * self.count * self.cost > THREADED:
            with ThreadPoolExecutor(threads) as pool:
                return self._extended(steps, deadline, threads, pool, after)
        return self._extended(steps, deadline, 1, None, after)

    def _extended(self, steps: int, deadline: float, threads: int, pool: ThreadPoolExecutor | None, after: Callable[[], None] | None) -> bool:
        while self.steps < steps or len(self.now.pieces) < 8:
            if len(self.now.pieces) >= 8 and perf_counter() > deadline:
                return False
            arrays, growth = self._moved(self.now.length, threads, pool)
            state = arrays[-2]
            with np.errstate(divide="ignore", invalid="ignore"):
                shape = np.log(np.abs(state).sum(axis=1)) - np.log(np.square(state).sum(axis=1)) / 2
            pieces, shapes, length = (*self.now.pieces, growth), (*self.now.shapes, shape), self.now.length
            if len(pieces) == MERGE_AT:
                pieces, shapes, length = tuple(pieces[k] + pieces[k + 1] for k in range(0, MERGE_AT, 2)), shapes[1::2], 2 * length
            self.now = Snapshot(arrays, pieces, shapes, length)
            if after is not None:
                after()
        return True

    def rounded(self, steps: int) -> int:
        """How many steps a fresh run that is extended to `steps` makes."""
        total, pieces, length = 0, 0, self.now.length
        while total < steps or pieces < 8:
            total, pieces = total + length, pieces + 1
            if pieces == MERGE_AT:
                pieces, length = pieces // 2, 2 * length
        return total

    @property
    def first(self) -> int:
        """The first piece after the burn-in: `burn` steps (but at most half the run) or an eighth of the run, whichever is longer."""
        count = len(self.now.pieces)
        return max(-(-count // 8), min(-(-self.burn // self.now.length), count // 2))

    @property
    def measured(self) -> int:
        """Steps of each chain after the burn-in."""
        return (len(self.now.pieces) - self.first) * self.now.length

    def lowest(self, half: slice) -> float:
        """The least logarithm of the norm of a vector (relative to its start) at the end of a piece, among some of the chains."""
        return float(np.min(np.cumsum(self.now.pieces, axis=0)[:, half]))

    def means(self) -> tuple[Floats, Floats, Floats]:
        """Three arrays (chains,) in nats per step: the growth after the burn-in, how much it changed from the first to the second half of that
        time, and how much more it would be in the 1-norm than in the Euclidean norm (a sum of which only the ends remain)."""
        window, shapes = self.now.pieces[self.first :], self.now.shapes
        half = len(window) // 2
        with np.errstate(invalid="ignore"):
            change = (np.sum(window[-half:], axis=0) - np.sum(window[:half], axis=0)) / (half * self.now.length)
            shape = (shapes[-1] - shapes[self.first - 1]) / self.measured
        return np.sum(window, axis=0) / self.measured, change, shape


@dataclass(frozen=True)
class Part:
    """lambda of a part = scale * growth per step of its chains, or `exact` where there are no chains."""

    exact: float = -math.inf
    chains: Chains | None = None
    scale: float = 1.0
    block: Block | None = None  # what the chains started from


@dataclass(frozen=True)
class SGDProblem:
    """Everything about SGD at a minimum that does not depend on the step size."""

    blocks: tuple[Block, ...]
    probabilities: Floats
    uniform: bool
    batch: int
    replacement: bool
    starts: dict[int, Floats] = field(default_factory=dict)  # by seed, the same at all step sizes

    @property
    def checked(self) -> bool:
        """Whether the rank of every block is known."""
        return all(block.checked for block in self.blocks)

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
        return [self.part(block, step_size, seed ^ (index * 0x9E3779B97F4A7C15)) for index, block in enumerate(self.blocks)]

    def part(self, block: Block, eta: float, seed: int, state: Floats | None = None) -> Part:
        """The part of one block, from vectors (chains, d) in the coordinates of its rows if given."""
        p = self.probabilities[block.samples]
        share = float(p.sum())
        if self.batch == 1 and block.dimension == 1:
            return Part(exact=expected_log(p, 1 - eta * block.norms))
        if len(block.samples) == 1:
            counts, chances = multiplicities(self.batch, share, self.replacement)
            return Part(exact=expected_log(chances, 1 - eta * float(block.norms[0]) * counts / self.batch))
        if not self.replacement and self.batch == len(self.probabilities):  # full batch: one symmetric matrix
            values = np.linalg.eigvalsh(np.asarray(block.rows.T @ block.rows if block.factor else block.rows, dtype=float))
            return Part(exact=expected_log(np.ones(1), np.array([np.abs(1 - eta * values / self.batch).max()])))
        if state is None:
            if seed not in self.starts:
                self.starts[seed] = block.start(chain_count(block.dimension), seed)
            state = self.starts[seed]
        spacing = self._spacing(eta * block.norms, block.dimension)
        burn = int(20 * len(block.samples) / min(self.batch, len(block.samples)))
        if self.batch == 1 and not block.factor:
            return Part(chains=self._single(block, eta, p / share, state, seed, spacing, burn), scale=share, block=block)
        return Part(chains=self._batched(block, eta, state, seed, spacing, burn), block=block)

    def _single(self, block: Block, eta: float, p: Floats, state: Floats, seed: int, spacing: int, burn: int) -> Chains:
        from . import kernels

        size, gram, prescaled = block.dimension, block.rows, block.dimension <= COPY_LIMIT
        if prescaled:
            padded = size if size <= kernels.SMALL else -(-size // 4) * 4
            gram = np.zeros((size, padded))
            np.multiply(block.rows, eta, out=gram[:, :size], dtype=np.float64)
            state = np.pad(state, ((0, 0), (0, padded - size)))
        uniform = self.uniform and size <= 1 << 16
        lanes = 8 if size <= kernels.SMALL or (uniform and size <= 64) else 2
        kernel = kernels.single(size if size <= kernels.SMALL else 0, lanes, uniform, prescaled)
        move = functools.partial(kernel, gram, eta, *kernels.alias_table(p))
        return Chains(move, state, seed, spacing, burn, gram.shape[1], lanes)

    def _batched(self, block: Block, eta: float, state: Floats, seed: int, spacing: int, burn: int) -> Chains:
        from . import kernels

        p, slot = self.probabilities, np.arange(len(block.samples))
        if len(block.samples) < len(p):
            slot = np.full(len(p), -1)
            slot[block.samples] = np.arange(len(block.samples))
        order = np.tile(np.arange(len(p)), (len(state), 1)) if not self.replacement else np.zeros((len(state), 1), dtype=np.int64)
        move = functools.partial(kernels.batched(block.factor), block.rows, eta / self.batch, slot, *kernels.alias_table(p), self.batch, self.replacement)
        return Chains(move, state, seed, spacing, burn, (1 + block.factor) * self.batch * block.dimension, extra=(order,))

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
    state = random_directions(chain_count(size), size, seed)
    move = functools.partial(kernels.dense(size if size <= kernels.SMALL else 0), matrices, *kernels.alias_table(probabilities))
    return Part(chains=Chains(move, state, seed, gap, 100 * len(matrices), size * size, lanes=8 if size <= kernels.SMALL else 1))


def chain_count(dimension: int) -> int:
    """How many chains: many are wanted for the interval, few where each has a long way to forget its start."""
    return 64 if dimension <= 64 else 32 if dimension <= 4096 else 16


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
