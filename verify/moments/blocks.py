"""The independent parts of a problem: exact families in small blocks for proofs, gradients in floating point for samples.

For p > 0 the moment of a block-diagonal family is the largest of the moments of its blocks (E1 for moments):
max_C E||A_C^n||^p <= E||A^n||^p <= sum_C E||A_C^n||^p in the maximum norm over the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ..exact import InputError
from ..family import MatrixFamily
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, epoch_length, is_full_batch, probabilities
from ..problem import Problem
from ..result import as_float

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def exact_blocks(problem: Problem) -> list[MatrixFamily]:
    """The exact families of the connected components of K (the whole family for bare matrices). Raises `InputError` for a measured K and for families that
    are too large to be written down.
    """
    from ..exponent.question import Question

    if problem.matrices is not None:
        return [problem.family]
    minimum, optimiser = problem.exact
    return [Question(minimum, optimiser, samples=component).family for component in minimum.components]


def whole_family(problem: Problem) -> MatrixFamily:
    """The exact family of all steps; its blocks where there is only one."""
    blocks = exact_blocks(problem)
    return blocks[0] if len(blocks) == 1 else problem.family


def remainder(family: MatrixFamily) -> Fraction:
    """The probability of the identity."""
    return 1 - sum(family.probabilities, start=Fraction(0))


@dataclass(frozen=True)
class Sampler:
    """Random steps for many vectors at once: `move(state, rng)` maps (m, d, k) arrays of k-frames, one independent step for each of the m. A move is `period`
    steps of the optimiser."""

    dimension: int
    move: Callable[[Floats, np.random.Generator], Floats]
    period: int = 1


def sampler(problem: Problem) -> Sampler:
    """Steps in orthonormal coordinates of span{g_i} (A = I - (eta/B) sum g_i g_i^T, B d operations), or the exact family in floating point.

    Eigenvalues of K below 1e-12 of the largest count as zero. The family serves bare matrices and optimisers beyond plain SGD.
    """
    minimum, optimiser = problem.minimum, problem.optimiser
    if minimum is not None and minimum.outputs == 1 and isinstance(optimiser, (SGD, GradientDescent)) and optimiser.plain:
        return _gradient_sampler(minimum, optimiser)
    return family_sampler(problem.family, period(problem))


def period(problem: Problem) -> int:
    """Steps of the optimiser in one member of the family: N/B for reshuffled epochs, else 1."""
    return 1 if problem.minimum is None else epoch_length(problem.optimiser, problem.minimum.size)


def family_sampler(family: MatrixFamily, period: int = 1) -> Sampler:
    """Steps of a family of matrices."""
    import numpy as np

    matrices, p = family.as_floats()
    if not np.isfinite(matrices).all() or np.abs(matrices).max(initial=0) > 1e100:
        raise InputError("matrices has entries beyond the range in which products can be sampled; scale the family and add the logarithm")
    steps = np.concatenate([matrices.reshape(-1, family.dimension, family.dimension), np.eye(family.dimension)[None]])
    edges = np.cumsum(p)

    def move(state: Floats, rng: np.random.Generator) -> Floats:
        picks = np.searchsorted(edges, rng.random(len(state)), side="right")
        return np.asarray(np.einsum("mij,mjk->mik", steps[picks], state))

    return Sampler(family.dimension, move, period)


def _gradient_sampler(minimum: Minimum | MeasuredMinimum, optimiser: Optimiser) -> Sampler:
    import numpy as np

    gram = minimum.gram if isinstance(minimum, MeasuredMinimum) else minimum.gram_floats()
    kappa, v = np.linalg.eigh(gram)
    keep = kappa > 1e-12 * kappa[-1]
    g, eta, size = v[:, keep] * np.sqrt(kappa[keep]), as_float(optimiser.step_size), len(gram)
    if is_full_batch(optimiser, size):
        step = np.eye(g.shape[1]) - eta / size * g.T @ g
        return Sampler(g.shape[1], lambda state, _: np.asarray(step @ state))
    assert isinstance(optimiser, SGD)
    edges = np.cumsum([as_float(p) for p in probabilities(optimiser, size)])[:-1]

    def move(state: Floats, rng: np.random.Generator) -> Floats:
        count = len(state)
        if optimiser.replacement or optimiser.batch == 1:
            picks = np.searchsorted(edges, rng.random((optimiser.batch, count)), side="right")
        else:
            picks = np.argsort(rng.random((count, size)), axis=1)[:, : optimiser.batch].T
        change = np.zeros_like(state)
        for row in g[picks]:
            change += row[:, :, None] * np.einsum("md,mdk->mk", row, state)[:, None, :]
        return np.asarray(state - eta / optimiser.batch * change)

    return Sampler(g.shape[1], move)
