"""Linear dynamics of a problem, read off its exact data: one `Part` for each set of samples that does not interact with the others.

At a minimum with gradients g_i the difference x = w - w* moves by x <- x - (eta/B) sum_{i in S} g_i <g_i, x> on span{g_i}. A part holds the gradients of one
connected component of K's graph in an orthonormal basis of their span, in double precision, and almost sure bounds of the growth of log |x| in one step.
For bare matrices a part is a strongly connected diagonal block of the family.

Nothing here uses the families, draws or certificates of the exponent engine: what is simulated is the definition.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from ..minimum import MeasuredMinimum, Minimum, rank
from ..optimiser import SGD, GradientDescent, Optimiser
from ..result import as_float

if TYPE_CHECKING:
    from ..problem import Problem

Floats = NDArray[np.float64]
# Up to this many different batches their singular values are computed one by one.
MAX_BATCHES = 600
# Eigenvalues of K below this share of the largest are not trusted to double precision.
CONDITION = 1e-9
MAX_ELIMINATION = 24


class Unsuited(Exception):
    """The problem is legal, but double precision cannot simulate it; the message says why."""


@dataclass(frozen=True)
class Part:
    """Steps x <- A_s x in R^d with independent draws, ready for the kernels.

    `rows` (k, d): sqrt(eta/B) g_i, with `slot` (N,) naming the row of each sample; or `matrices` (m, d, d). `cumulative`: partial sums of the probabilities.
    low <= log(|A x|/|x|) <= high almost surely; low is -inf where a step may be singular. `singular`: some step is exactly singular.
    """

    name: str
    members: tuple[int, ...]  # samples, or coordinates of bare matrices
    dimension: int
    low: float
    high: float
    singular: bool
    cumulative: Floats
    uniform: bool = True
    rows: Floats | None = None
    slot: NDArray[np.int64] | None = None
    batch: int = 1
    replacement: bool = True
    matrices: Floats | None = None


def parts_of(problem: Problem) -> list[Part]:
    """The parts of a problem. Raises `Unsuited` where double precision is not enough."""
    if problem.matrices is not None:
        return _family_parts(problem)
    minimum, optimiser = problem.minimum, problem.optimiser
    assert minimum is not None
    assert optimiser is not None
    largest = as_float(optimiser.step_size) * max(map(_double, _diagonal(minimum)))
    if not largest < 1e100:
        raise Unsuited(f"c = eta K_ii reaches {largest:.3g}, beyond what is simulated in double precision")
    return [_sample_part(minimum, optimiser, samples) for samples in components(minimum)]


def components(minimum: Minimum | MeasuredMinimum) -> list[list[int]]:
    """Connected components of the graph with an edge where K_ij is not zero; samples without a gradient belong to none."""
    size = minimum.size
    parent = list(range(size))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for i in range(size):
        for j in range(i):
            if minimum.gram[i][j] != 0:
                parent[root(i)] = root(j)
    groups: dict[int, list[int]] = {}
    for i in range(size):
        if minimum.gram[i][i] != 0:
            groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def chances(optimiser: Optimiser, size: int) -> list[Fraction]:
    """The probability of each sample in one draw, from the weights."""
    weights = getattr(optimiser, "weights", None) or [Fraction(1)] * size
    total = sum(weights, Fraction(0))
    return [w / total for w in weights]


def partial_sums(probabilities: list[Fraction]) -> Floats:
    """Partial sums, rounded from exact ones."""
    return np.array([float(x) for x in itertools.accumulate(probabilities)])


def _double(x: Any) -> float:
    return as_float(x) if isinstance(x, Fraction) else float(x)


def _diagonal(minimum: Minimum | MeasuredMinimum) -> list[Any]:
    return [minimum.gram[i][i] for i in range(minimum.size)]


def _sample_part(minimum: Minimum | MeasuredMinimum, optimiser: Optimiser, samples: list[int]) -> Part:
    size = minimum.size
    eta = as_float(optimiser.step_size)
    gradients = _gradients(minimum, samples)
    name = "all samples" if len(samples) == size else f"samples {samples}"
    if isinstance(optimiser, GradientDescent):
        step = np.eye(gradients.shape[1]) - eta / size * gradients.T @ gradients
        low, high = _log_range([step])
        return Part(name, tuple(samples), gradients.shape[1], low, high, _exactly_singular(minimum, optimiser, samples), np.ones(1), matrices=step[None])
    assert isinstance(optimiser, SGD)
    slot = np.full(size, -1)
    slot[samples] = np.arange(len(samples))
    p = chances(optimiser, size)
    low, high = _step_range(minimum, optimiser, samples, gradients)
    return Part(
        name, tuple(samples), gradients.shape[1], low, high, _exactly_singular(minimum, optimiser, samples), partial_sums(p), len(set(p)) == 1,
        np.ascontiguousarray(gradients * math.sqrt(eta / optimiser.batch)), slot, optimiser.batch, optimiser.replacement or optimiser.batch == 1,
    )  # fmt: skip


def _gradients(minimum: Minimum | MeasuredMinimum, samples: list[int]) -> Floats:
    """Rows g_i with <g_i, g_j> = K_ij in an orthonormal basis of their span."""
    gram = np.array([[_double(minimum.gram[i][j]) for j in samples] for i in samples])
    values, vectors = np.linalg.eigh(gram)
    if isinstance(minimum, MeasuredMinimum):
        keep = values > 1e-12 * values[-1]
        return np.asarray(vectors[:, keep] * np.sqrt(values[keep]))
    block = minimum.block(samples)
    true_rank = rank(block)
    if values[-true_rank] > CONDITION * values[-1]:
        return np.asarray(vectors[:, -true_rank:] * np.sqrt(values[-true_rank:]))
    if len(samples) > MAX_ELIMINATION:
        raise Unsuited(f"K has eigenvalues {values[-true_rank]:.3g} and {values[-1]:.3g}: too far apart for double precision")
    return _eliminated([list(row) for row in block])


def _eliminated(gram: list[list[Fraction]]) -> Floats:
    """The rows of a Cholesky factor by exact elimination with the largest pivots: every entry is accurate, however ill-conditioned K is."""
    rest, columns = [row[:] for row in gram], []
    size = len(gram)
    while (pivot := max(range(size), key=lambda i: rest[i][i])) is not None and rest[pivot][pivot] > 0:
        p = rest[pivot][pivot]
        column = [rest[i][pivot] / p for i in range(size)]
        columns.append([as_float(x) * math.sqrt(as_float(p)) for x in column])
        rest = [[rest[i][j] - column[i] * column[j] * p for j in range(size)] for i in range(size)]
    return np.array(columns).T


def _step_range(minimum: Minimum | MeasuredMinimum, optimiser: SGD, samples: list[int], gradients: Floats) -> tuple[float, float]:
    """Bounds of log(|A x|/|x|): 1 and |1 - c_i| are the singular values for batch 1; for batches, those of every A_S, or 1 - max c <= A_S <= 1."""
    eta = optimiser.step_size
    c = [eta * Fraction(minimum.gram[i][i]) for i in samples]
    if optimiser.batch == 1:
        factors = [abs(1 - x) for x in c]
        return _log(min([*factors, Fraction(1)])), _log(max([*factors, Fraction(1)]))
    size = minimum.size
    count = math.comb(size + optimiser.batch - 1, optimiser.batch) if optimiser.replacement else math.comb(size, optimiser.batch)
    if count <= MAX_BATCHES:
        position = {i: k for k, i in enumerate(samples)}
        every: Any = itertools.combinations_with_replacement if optimiser.replacement else itertools.combinations
        scale, identity = as_float(eta) / optimiser.batch, np.eye(gradients.shape[1])
        steps = []
        for chosen in every(range(size), optimiser.batch):
            g = gradients[[position[i] for i in chosen if i in position]]
            steps.append(identity - scale * g.T @ g)
        return _log_range(steps)
    largest = max(c)
    return (_log(1 - largest) if largest < 1 else -math.inf), _log(max(Fraction(1), largest - 1))


def _log(x: Fraction) -> float:
    return math.log(as_float(x)) if x > 0 else -math.inf


def _log_range(steps: list[Floats]) -> tuple[float, float]:
    """Smallest and largest log singular value, with room for round-off; a smallest one near zero counts as zero."""
    values = [np.linalg.svd(step, compute_uv=False) for step in steps]
    low, high = min(float(v[-1]) for v in values), max(float(v[0]) for v in values)
    margin = 1e-12 * (1 + high)
    return (math.log(low - margin) if low > 1e3 * margin else -math.inf), math.log(high + margin)


def _exactly_singular(minimum: Minimum | MeasuredMinimum, optimiser: Optimiser, samples: list[int]) -> bool:
    """Whether a step may be singular, exactly for batch 1; otherwise True wherever c >= 1 does not exclude it."""
    if isinstance(minimum, MeasuredMinimum):
        return False
    c = [optimiser.step_size * minimum.gram[i][i] for i in samples]
    if isinstance(optimiser, SGD) and optimiser.batch == 1:
        return 1 in c
    return max(c) >= 1 if isinstance(optimiser, SGD) else sum(c) >= minimum.size


def _family_parts(problem: Problem) -> list[Part]:
    from scipy.sparse.csgraph import connected_components

    steps, weights = exact_matrices(problem)
    matrices = np.array([[[as_float(x) for x in row] for row in step] for step in steps])
    if not np.abs(matrices).max() < 1e100:
        raise Unsuited("a matrix has an entry beyond 1e100")
    cumulative = partial_sums(weights)
    count, labels = connected_components(np.any(matrices != 0, axis=0), directed=True, connection="strong")
    found = []
    for block in range(count):
        inside = np.flatnonzero(labels == block)
        chosen = np.ascontiguousarray(matrices[:, inside[:, None], inside])
        low, high = _log_range(list(chosen))
        name = "all coordinates" if count == 1 else f"coordinates {inside.tolist()}"
        found.append(Part(name, tuple(inside.tolist()), len(inside), low, high, low == -math.inf, cumulative, False, matrices=chosen))
    return found


def exact_matrices(problem: Problem) -> tuple[list[Any], list[Fraction]]:
    """The matrices as given, and their probabilities."""
    from ..exact import rational, rational_matrix

    if problem.matrices is None:
        raise InputError("this problem has no bare matrices")
    matrices, weights = problem.matrices
    exact = [rational(w, "weights") for w in weights]
    total = sum(exact)
    return [rational_matrix(m, "matrices") for m in matrices], [w / total for w in exact]
