"""From a case in floating point to small rational ones: the Gram matrices first (smallest first, with step sizes that keep some c_i), then one step size after
the other, each as the simplest fraction that keeps the score positive. Deterministic but for the choice of neighbours beyond three free entries."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .batch import Batch
from .space import DIGITS, Candidates, RationalSpace, fractions_by_size

Floats = NDArray[np.float64]
MATRICES = 12
# How far, relatively, a step size may move.
WINDOW = 0.12


def small_cases(
    space: RationalSpace, score: Callable[[Batch], Floats], gram: Floats, steps: Floats, rng: np.random.Generator, largest: int
) -> Candidates | None:
    """Exact cases around (gram, steps) with a positive score and entries of K up to `largest`, or None."""
    gram = _canonical(gram) if space.symmetric else gram
    integers, denominators = space.matrices_near(gram, rng, largest)
    if not len(integers):
        return None
    matrices = integers / denominators[:, None, None, None]
    targets = _targets(space, gram, steps, matrices)
    kept = range(targets.shape[2])  # which c_i to keep, for every step size
    choices = list(itertools.product(kept, repeat=space.steps)) if len(kept) ** space.steps <= 16 else [(k,) * space.steps for k in kept]
    etas = np.concatenate([np.stack([targets[:, s, k] for s, k in enumerate(choice)], axis=1) for choice in choices])
    owner = np.tile(np.arange(len(matrices)), len(choices))
    keep = np.all(np.diff(etas, axis=1) > 0, axis=1)
    etas, owner = etas[keep], owner[keep]
    if not len(owner):
        return None
    values = score(Batch(matrices[owner], etas))
    rows = np.flatnonzero(values > 0)
    rows = rows[np.argsort(owner[rows], kind="stable")]  # the matrices are in order of size
    found = []
    for row in rows[:MATRICES]:
        chosen = _rounded_steps(score, matrices[owner[row]], etas[row])
        if chosen is not None:
            found.append((owner[row], chosen))
    if not found:
        return None
    which = np.array([i for i, _ in found])
    numerators = np.array([[x.numerator for x in chosen] for _, chosen in found], dtype=np.int64)
    divisors = np.array([[x.denominator for x in chosen] for _, chosen in found], dtype=np.int64)
    return Candidates(integers[which], denominators[which], numerators, divisors)


def _canonical(gram: Floats) -> Floats:
    """Ascending diagonal and a nonnegative first row, where the order of the data points and the signs of the gradients do not matter."""
    found = []
    for one in gram:
        order = np.argsort(np.diag(one), kind="stable")
        signs = np.where(one[order[0], order] < 0, -1.0, 1.0)
        found.append(one[np.ix_(order, order)] * np.outer(signs, signs))
    return np.array(found)


def _targets(space: RationalSpace, gram: Floats, steps: Floats, matrices: Floats) -> Floats:
    """Step sizes (P, s, k) for the rounded matrices: those that keep one of the c_i, or that leave eta (or eta K) in place; resonances need an exact c_i."""
    if not space.scale_free:
        return np.broadcast_to(steps[None, :, None], (len(matrices), space.steps, 1))
    old, new = np.einsum("gii->gi", gram).ravel(), np.einsum("pgii->pgi", matrices).reshape(len(matrices), -1)
    return np.asarray(steps[None, :, None] * (old[None] / new)[:, None, :])


def _rounded_steps(score: Callable[[Batch], Floats], matrix: Floats, etas: Floats) -> list[Fraction] | None:
    chosen: list[Fraction] = []
    current = etas.copy()
    for s in range(len(etas)):
        values, fractions = _fractions_as_floats()
        near = np.flatnonzero(np.abs(values / current[s] - 1) < WINDOW)[:400]
        others = np.delete(np.arange(len(etas)), s)
        ordered = [i for i in near if np.all(np.where(others < s, current[others] < values[i], current[others] > values[i]))]
        if not ordered:
            return None
        trial = np.repeat(current[None], len(ordered), axis=0)
        trial[:, s] = values[ordered]
        good = np.flatnonzero(score(Batch(np.repeat(matrix[None], len(ordered), axis=0), trial)) > 0)
        if not len(good):
            return None
        chosen.append(fractions[ordered[good[0]]])
        current[s] = float(chosen[-1])
    return chosen


@lru_cache(maxsize=1)
def _fractions_as_floats() -> tuple[Floats, list[Fraction]]:
    fractions = fractions_by_size(DIGITS)
    return np.array([float(x) for x in fractions]), fractions
