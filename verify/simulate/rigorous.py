"""Replicas without round-off: the test of `evidence` in exact rational or ball arithmetic, and products that are exactly zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exact import Matrix
from .dynamics import Part, chances, exact_matrices
from .evidence import Growth, Replicate
from .precise import Number, System, balls, drawn, dual, dyadic, log_root

if TYPE_CHECKING:
    from ..problem import Problem

# Rounds and length of the random words in which a product that is exactly zero is looked for.
WORDS, LENGTH, MAX_SIZE = 24, 40, 6
MAX_BITS = 1 << 20


def replicator(problem: Problem, number: Number) -> Replicate:
    """Replicas of a part in exact ("exact") or ball ("arb") arithmetic. The length of x is measured in the span of the gradients, as in `floats`."""

    def replicate(part: Part, replicas: int, horizon: int, seed: int) -> Growth:
        system, gram = _system(problem, part)
        rng = np.random.default_rng(seed)
        found = []
        for _ in range(replicas):
            start = _start(part, gram, rng)
            draws = _inside(problem, part, drawn(problem.optimiser, _size(problem), horizon, rng, _weights(problem)))
            found.append(_logs(system, gram, start, draws, number))
        logs = np.array(found)
        first, quarter, half, last = logs.T
        n, marks = horizon, (horizon // 4, horizon // 2)
        with np.errstate(invalid="ignore"):
            return Growth((last - first) / n, (half - quarter) / (marks[1] - marks[0]), (last - half) / (n - marks[1]))

    return replicate


def vanishing_word(problem: Problem, part: Part, seed: int) -> int | None:
    """The length of a random word of positive probability whose product is exactly zero on the part, or None where none was met (or it is too large to look).

    Such a word occurs almost surely, and from then on x = 0 exactly: lambda = -infinity.
    """
    if len(part.members) > MAX_SIZE or not part.singular or not problem.is_exact:
        return None
    system, gram = _system(problem, part)
    rng = np.random.default_rng([seed, 7])
    size = len(part.members)
    for _ in range(WORDS):
        draws = _inside(problem, part, drawn(problem.optimiser, _size(problem), LENGTH, rng, _weights(problem)))
        runs = [system.run(_numbers([Fraction(i == j) for i in range(size)], "exact"), draws, "exact") for j in range(size)]
        for length, columns in enumerate(zip(*runs, strict=True), 1):
            if not any(value for column in columns for value in _shown(system, gram, column)):
                return length
    return None


def _shown(system: System, gram: Matrix | None, x: list[Any]) -> list[Any]:
    return x if gram is None else system.residuals(x, "exact")


def _system(problem: Problem, part: Part) -> tuple[System, Matrix | None]:
    if problem.matrices is not None:
        steps, _ = exact_matrices(problem)
        return System.linear([tuple(tuple(step[i][j] for j in part.members) for i in part.members) for step in steps]), None
    minimum, optimiser = problem.exact
    block = minimum.block(part.members)
    system = dual(block, optimiser)
    if optimiser.kind == "gd" and len(part.members) < minimum.size:  # the mean is over all samples
        rate = optimiser.step_size / minimum.size
        unit = tuple(tuple(Fraction(i == j) for j in range(len(block))) for i in range(len(block)))
        system = System.affine(block, (Fraction(0),) * len(block), unit, rate)
    return system, block


def _size(problem: Problem) -> int:
    return problem.minimum.size if problem.minimum is not None else 0


def _weights(problem: Problem) -> list[Fraction] | None:
    if problem.matrices is not None:
        return exact_matrices(problem)[1]
    return None if problem.optimiser is None or problem.optimiser.kind == "gd" else chances(problem.optimiser, _size(problem))


def _inside(problem: Problem, part: Part, draws: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The draws as positions in the part; samples outside do nothing."""
    if problem.matrices is not None:
        return draws
    position = {i: k for k, i in enumerate(part.members)}
    return [tuple(position[i] for i in batch if i in position) for batch in draws]


def _start(part: Part, gram: Matrix | None, rng: np.random.Generator) -> list[Fraction]:
    """Coefficients of a uniform direction, rounded to doubles and then exact."""
    v = rng.standard_normal(part.dimension)
    v /= np.linalg.norm(v)
    if gram is None:
        return [dyadic(x) for x in v]
    # x = sum_i c_i g_i with the least coefficients: c = G (G^T G)^-1 v, where G = rows up to a factor that the logarithm of a ratio does not see.
    g = part.rows if part.rows is not None else _factor(gram)
    return [dyadic(x) for x in np.linalg.pinv(g).T @ v]


def _factor(gram: Matrix) -> Any:
    values, vectors = np.linalg.eigh(np.array([[float(x) for x in row] for row in gram]))
    keep = values > 1e-12 * values[-1]
    return vectors[:, keep] * np.sqrt(values[keep])


def _numbers(x: list[Fraction], number: Number) -> list[Any]:
    from ..balls import fmpq_of

    return balls(x) if number == "arb" else [fmpq_of(v) for v in x]


def _logs(system: System, gram: Matrix | None, start: list[Fraction], draws: list[tuple[int, ...]], number: Number) -> list[float]:
    """log |x_n| at n = 0, a quarter, a half and all of the draws."""
    from flint import ctx

    marks = (0, len(draws) // 4, len(draws) // 2, len(draws))
    bits = 256
    while True:
        with ctx.workprec(bits):
            found = list(_observed(system, gram, _numbers(start, number), draws, number, marks))
        if None not in found:
            return found
        bits *= 2
        if bits > MAX_BITS:
            return [math.nan] * 4


def _observed(system: System, gram: Matrix | None, x: list[Any], draws: list[tuple[int, ...]], number: Number, marks: tuple[int, ...]) -> Iterator[Any]:
    def length(state: list[Any]) -> Any:
        images = system.residuals(state, number)
        other = images if gram is None else state
        return log_root(sum((a * b for a, b in zip(images, other, strict=True)), start=0 * images[0]), system.scale ** (2 if gram is None else 1))

    yield length(x)
    wanted = set(marks[1:])
    for n, state in enumerate(system.run(x, draws, number), 1):
        if n in wanted:
            yield length(state)
