"""Strategies of Gram matrices, features and minima."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..exact import InputError, Matrix, positive
from ..minimum import Minimum
from ..regularity import is_connected
from ._numbers import bound_of, check_points, count


def gram_matrices(
    points: int, *, rank: int | None = None, connected: bool | None = None, regular: bool | None = None, step_size: Any = None, max_digits: int = 1
) -> SearchStrategy[Matrix]:
    """Positive semidefinite K (N x N, N = `points`) with entries of about `max_digits` digits and the given rank (default N: definite).

    `connected` True or False asks for a connected or a disconnected graph of K (None: either). `regular` needs a `step_size` and asks that the minimum is
    regular for batch 1 there, or is not.
    """
    check_points(points)
    size = points if rank is None else count(rank, "rank")
    if size > points:
        raise InputError(f"rank = {size} is larger than points = {points}; the rank of an N x N matrix is at most N")
    _check_connected(connected, points, size)
    if regular is None:
        return grams_of_rank(points, size, connected, max_digits)
    if step_size is None:
        raise InputError(f"regular = {regular} depends on the step size (no eta K_ii may be 1 or 2); give step_size, or use problems(regular=...)")
    eta = positive(step_size, "step_size")
    if regular:
        if connected is False:
            raise InputError("regular = True needs a connected graph (R2), but connected = False; change one of them")
        found = grams_of_rank(points, size, True if points > 1 else None, max_digits)
        return found.filter(lambda gram: all(eta * gram[i][i] not in (1, 2) for i in range(points)))
    return _with_irregular_diagonal(grams_of_rank(points, size, connected, max_digits), eta)


def _with_irregular_diagonal(grams: SearchStrategy[Matrix], eta: Fraction) -> SearchStrategy[Matrix]:
    """K scaled so that some eta K_ii is 1 or 2."""

    def scaled(pair: tuple[Matrix, Fraction]) -> Matrix:
        gram, c = pair
        factor = c / (eta * next(gram[i][i] for i in range(len(gram)) if gram[i][i]))
        return tuple(tuple(factor * x for x in row) for row in gram)

    return st.tuples(grams, st.sampled_from((Fraction(1), Fraction(2)))).map(scaled)


def grams_of_rank(points: int, size: int, connected: bool | None, max_digits: int) -> SearchStrategy[Matrix]:
    bound = bound_of(max_digits)
    if connected is False:
        return _blocks(points, size, max_digits)
    if size == points == 1:
        found: SearchStrategy[Matrix] = st.integers(1, bound).map(lambda k: ((Fraction(k),),))
    elif size == points == 2:
        found = st.tuples(st.integers(1, bound), st.integers(1, bound)).flatmap(_pairs)
    elif size == points:
        found = st.one_of(_entrywise(points, bound), _products(points, size, bound)) if points == 3 else _products(points, size, bound)
    else:
        found = _products(points, size, bound)
    return found.filter(is_connected) if connected and points > 1 else found


def _pairs(diagonal: tuple[int, int]) -> SearchStrategy[Matrix]:
    """All 2 x 2 definite K with this diagonal and an integer off the diagonal."""
    a, d = diagonal
    largest = math.isqrt(a * d - 1)
    return st.integers(-largest, largest).map(lambda b: ((Fraction(a), Fraction(b)), (Fraction(b), Fraction(d))))


def _entrywise(points: int, bound: int) -> SearchStrategy[Matrix]:
    """Integer entries within what the 2 x 2 minors allow; the definite ones are kept."""

    @st.composite
    def draw_gram(draw: Any) -> Matrix:
        diagonal = [draw(st.integers(1, bound)) for _ in range(points)]
        rows = [[Fraction(diagonal[i] if i == j else 0) for j in range(points)] for i in range(points)]
        for i in range(points):
            for j in range(i):
                largest = math.isqrt(diagonal[i] * diagonal[j] - 1)
                rows[i][j] = rows[j][i] = Fraction(draw(st.integers(-largest, largest)))
        return tuple(map(tuple, rows))

    return draw_gram().filter(_is_definite)


def _products(points: int, size: int, bound: int) -> SearchStrategy[Matrix]:
    """K = X X^T with X of full column rank (unit lower trapezoid up to the order of its rows), entries of X about the square root of those of K."""
    largest = max(1, math.isqrt(bound))

    @st.composite
    def draw_gram(draw: Any) -> Matrix:
        rows = []
        for i in range(points):
            pivot = [draw(st.integers(1, largest))] if i < size else []
            rows.append([*(draw(st.integers(-largest, largest)) for _ in range(min(i, size))), *pivot, *[0] * (size - i - 1)])
        order = draw(st.permutations(range(points))) if size < points else range(points)
        rows = [rows[i] for i in order]
        return tuple(tuple(Fraction(sum(x * y for x, y in zip(u, v, strict=True))) for v in rows) for u in rows)

    return draw_gram()


def _blocks(points: int, size: int, max_digits: int) -> SearchStrategy[Matrix]:
    """Two blocks of gradients that are orthogonal to each other."""

    def split(first: int) -> SearchStrategy[Matrix]:
        ranks = [r for r in range(1, first + 1) if 1 <= size - r <= points - first]
        return st.sampled_from(ranks).flatmap(
            lambda r: st.tuples(grams_of_rank(first, r, None, max_digits), grams_of_rank(points - first, size - r, None, max_digits)).map(_direct_sum)
        )

    possible = [n for n in range(1, points) if any(1 <= size - r <= points - n for r in range(1, n + 1))]
    return st.sampled_from(possible).flatmap(split)


def _direct_sum(pair: tuple[Matrix, Matrix]) -> Matrix:
    first, second = pair
    zero = Fraction(0)
    return tuple((*row, *[zero] * len(second)) for row in first) + tuple((*[zero] * len(first), *row) for row in second)


def features(points: int, dimension: int, *, max_digits: int = 1) -> SearchStrategy[Matrix]:
    """Rows x_1..x_N of integers in `dimension` columns, not all zero: a linear model F(w, y_i) = <x_i, w>."""
    check_points(points)
    bound = bound_of(max_digits)
    row = st.tuples(*[st.integers(-bound, bound).map(Fraction)] * count(dimension, "dimension"))
    return st.tuples(*[row] * points).filter(lambda rows: any(map(any, rows)))


def minima(points: int, **constraints: Any) -> SearchStrategy[Minimum]:
    """`Minimum` objects; constraints as for `gram_matrices`."""
    return gram_matrices(points, **constraints).map(Minimum.from_gram)


def _is_definite(gram: Matrix) -> bool:
    try:
        return Minimum.from_gram(gram).independent
    except InputError:
        return False


def _check_connected(connected: bool | None, points: int, size: int) -> None:
    if connected is False and points < 2:
        raise InputError("connected = False needs at least two data points: one sample alone is connected; raise points")
    if connected is False and size < 2:
        raise InputError(f"connected = False with rank = {size}: nonzero gradients in one dimension are never orthogonal; raise rank")
