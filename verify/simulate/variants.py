"""Momentum, weight decay, reshuffled epochs and vector outputs, simulated as products of bare matrices that are written down from the definition of the step.

With independent gradients g_I that span all of them, x = w - w* = sum_{i in I} c_i g_i and g_j = sum_i D_ij g_i, D = K_II^-1 K_I, a batch moves
c <- (1 - eta omega + beta) c - (eta/B) sum_j m_j D_j <K_jI, c> - beta c_previous. Nothing is shared with the families of the exponent engine.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..exact import InputError
from ..minimum import Minimum, rank
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled
from ..problem import Problem
from .dynamics import MAX_BATCHES, chances

MAX_ENTRIES = 100_000
Draws = tuple[tuple[int, ...], ...]  # the batches of one member of the family: one, or all of an epoch


def is_variant(problem: Problem) -> bool:
    """Whether the optimiser or the outputs go beyond plain SGD and gradient descent."""
    optimiser, minimum = problem.optimiser, problem.minimum
    return optimiser is not None and minimum is not None and (not optimiser.plain or isinstance(optimiser, Reshuffled) or minimum.outputs > 1)


def as_matrices(problem: Problem) -> Problem:
    """The same dynamics as bare matrices (for reshuffled epochs one for each epoch). Raises `InputError` for a measured K and too many steps."""
    if not isinstance(problem.minimum, Minimum):
        raise InputError("momentum, weight decay, reshuffled epochs and vector outputs are simulated for an exact K; use .rationalised(spacing)")
    minimum, optimiser = problem.exact
    if _count(optimiser, minimum.size) > MAX_BATCHES:
        raise InputError(f"there are more than {MAX_BATCHES} different steps, too many to simulate {_what(problem)}; take fewer samples or smaller batches")
    basis = _independent(minimum)
    d = len(basis) * (2 if optimiser.momentum else 1)
    members = list(_members(optimiser, minimum.size))
    if len(members) * d * d > MAX_ENTRIES:
        raise InputError(f"simulation with {_what(problem)} would need {len(members)} matrices of size {d} x {d}; take fewer samples or smaller batches")
    pulls = _pulls(minimum, basis)
    products = []
    for draws, _ in members:
        steps = [_step(optimiser, pulls, batch, len(basis)) for batch in draws]
        found = steps[0]
        for step in steps[1:]:
            found = step * found
        products.append([[Fraction(int(found[i, j].p), int(found[i, j].q)) for j in range(d)] for i in range(d)])
    epochs = f"; a step of the simulation is an epoch of {len(members[0][0])} steps" if len(members[0][0]) > 1 else ""
    note = f"simulated as {len(members)} matrices of size {d} x {d}, written down from the definition of the step{epochs}"
    return replace(Problem.from_matrices(products, [p for _, p in members], name=problem.name), notes=(*problem.notes, note))


def _what(problem: Problem) -> str:
    optimiser = problem.optimiser
    assert optimiser is not None
    named = (("momentum", optimiser.momentum), ("weight decay", optimiser.weight_decay), ("reshuffled epochs", isinstance(optimiser, Reshuffled)))
    return ", ".join(name for name, there in named if there) or "vector outputs"


def _independent(minimum: Minimum) -> list[int]:
    basis: list[int] = []
    for i in range(len(minimum.gram)):
        if rank(tuple(minimum.gram[j] for j in (*basis, i))) > len(basis):
            basis.append(i)
    return basis


def _pulls(minimum: Minimum, basis: list[int]) -> list[Any]:
    """D_j K_jI, summed over the outputs of each sample."""
    from flint import fmpq_mat

    from ..balls import fmpq_of

    n, d = len(minimum.gram), len(basis)
    wide = fmpq_mat(d, n, [fmpq_of(minimum.gram[i][j]) for i in basis for j in range(n)])
    core = fmpq_mat(d, d, [fmpq_of(minimum.gram[i][j]) for i in basis for j in basis])
    dual = core.inv() * wide
    found = []
    for sample in range(minimum.size):
        total = fmpq_mat(d, d)
        for j in minimum.rows([sample]):
            total += fmpq_mat(d, 1, [dual[i, j] for i in range(d)]) * fmpq_mat(1, d, [wide[i, j] for i in range(d)])
        found.append(total)
    return found


def _step(optimiser: Optimiser, pulls: list[Any], batch: tuple[int, ...], d: int) -> Any:
    from flint import fmpq_mat

    from ..balls import fmpq_of

    beta, rate = optimiser.momentum, fmpq_of(optimiser.step_size / len(batch))
    keep = fmpq_of(1 - optimiser.step_size * optimiser.weight_decay + beta)
    now = fmpq_mat(d, d, [keep if i == j else 0 for i in range(d) for j in range(d)])
    for sample in batch:
        now -= pulls[sample] * rate
    if not beta:
        return now
    size, minus = 2 * d, fmpq_of(-beta)
    entries = {(i, j): now[i, j] for i in range(d) for j in range(d)} | {(i, d + i): minus for i in range(d)} | {(d + i, i): 1 for i in range(d)}
    return fmpq_mat(size, size, [entries.get((i, j), 0) for i in range(size) for j in range(size)])


def _count(optimiser: Optimiser, size: int) -> int:
    if isinstance(optimiser, Reshuffled):
        return math.prod(math.comb(left, optimiser.batch) for left in range(size, 0, -optimiser.batch))
    if isinstance(optimiser, SGD):
        return math.comb(size + optimiser.batch - 1, optimiser.batch) if optimiser.replacement else math.comb(size, optimiser.batch)
    return 1


def _members(optimiser: Optimiser, size: int) -> Iterator[tuple[Draws, Fraction]]:
    """Every batch, or every epoch, with its probability."""
    everything = tuple(range(size))
    if isinstance(optimiser, GradientDescent):
        yield (everything,), Fraction(1)
    elif isinstance(optimiser, Reshuffled):
        epochs = list(_partitions(everything, optimiser.batch))
        yield from ((epoch, Fraction(1, len(epochs))) for epoch in epochs)
    elif optimiser.replacement:
        p = chances(optimiser, size)
        for batch in itertools.combinations_with_replacement(everything, optimiser.batch):
            orders = math.factorial(optimiser.batch) // math.prod(map(math.factorial, Counter(batch).values()))
            yield (batch,), orders * math.prod((p[i] for i in batch), start=Fraction(1))
    elif optimiser.batch == 1:
        yield from ((((i,),), p) for i, p in enumerate(chances(optimiser, size)))
    else:
        batches = list(itertools.combinations(everything, optimiser.batch))
        yield from (((batch,), Fraction(1, len(batches))) for batch in batches)


def _partitions(left: tuple[int, ...], batch: int) -> Iterator[Draws]:
    if not left:
        yield ()
    for first in itertools.combinations(left, batch):
        yield from ((first, *rest) for rest in _partitions(tuple(i for i in left if i not in first), batch))
