"""Strategies of optimisers, problems and bare families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..exact import InputError, Matrix
from ..minimum import rank as rank_of
from ..optimiser import SGD, GradientDescent, Optimiser
from ..problem import Problem
from ..regularity import is_regular
from ..threshold.bracket import critical_bracket
from ._grams import gram_matrices, grams_of_rank
from ._numbers import bound_of, check_points, count, simplest, step_sizes

KINDS = ("sgd", "gd")


def optimisers(
    points: int,
    *,
    kinds: Sequence[str] = ("sgd",),
    batches: Sequence[int] = (1,),
    replacement: Sequence[bool] = (True,),
    weighted: bool = False,
    steps: SearchStrategy[Fraction] | None = None,
    max_digits: int = 2,
) -> SearchStrategy[Optimiser]:
    """Optimisers for N = `points` samples: of each kind, batch size and way of sampling that is named; `weighted` adds small integer weights."""
    check_points(points)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise InputError(f"kinds = {list(kinds)!r}: name one or both of {', '.join(KINDS)}")
    eta = step_sizes(max_digits=max_digits) if steps is None else steps
    found: list[SearchStrategy[Optimiser]] = []
    if "sgd" in kinds:
        schemes = [(b, r) for b in (count(b, "batches") for b in batches) for r in replacement if r or b <= points]
        if not schemes:
            raise InputError(f"batches = {list(batches)} without replacement do not fit points = {points}; use smaller batches or replacement = (True,)")
        found += [st.builds(SGD, eta, st.just(b), st.just(r)) for b, r in schemes]
        if weighted:
            allowed = [(b, r) for b, r in schemes if r or b == 1]
            if not allowed:
                raise InputError("weighted = True needs batch 1 or sampling with replacement; change batches or replacement")
            weights = st.lists(st.integers(1, 9), min_size=points, max_size=points)
            found += [st.builds(SGD, eta, st.just(b), st.just(r), weights) for b, r in allowed]
    if "gd" in kinds:
        found.append(st.builds(GradientDescent, eta))
    return st.one_of(found)


def problems(
    points: int | Sequence[int] = 2,
    *,
    rank: int | None = None,
    connected: bool | None = None,
    regular: bool | None = None,
    kinds: Sequence[str] = ("sgd",),
    batches: Sequence[int] = (1,),
    replacement: Sequence[bool] = (True,),
    weighted: bool = False,
    steps: SearchStrategy[Fraction] | None = None,
    max_digits: int = 1,
) -> SearchStrategy[Problem]:
    """Problems with an exact Gram matrix: `points` is one number or several (fewest first); other options as for `gram_matrices` and `optimisers`.

    `regular` True keeps regular problems (R1, R2); False makes irregular ones on purpose: a step size at which some c_i is 1 or 2, or a disconnected graph.
    """
    sizes = [points] if isinstance(points, int) else sorted(points)
    if not sizes:
        raise InputError("points is empty; give a number of data points, such as 2")
    if regular and connected is False:
        raise InputError("regular = True needs a connected graph (R2), but connected = False; change one of them")

    def of_size(n: int) -> SearchStrategy[Problem]:
        grams = gram_matrices(n, rank=rank, connected=(True if regular and n > 1 else connected), max_digits=max_digits)
        optimiser = optimisers(n, kinds=kinds, batches=batches, replacement=replacement, weighted=weighted, steps=steps, max_digits=max_digits)
        drawn = st.builds(Problem.from_gram, grams, optimiser)
        if regular is None:
            return drawn
        return drawn.filter(is_regular) if regular else _irregular(n, grams, optimiser, connected, rank, max_digits)

    strategies = [of_size(n) for n in sizes]
    return st.one_of(strategies)


def _irregular(
    n: int, grams: SearchStrategy[Matrix], optimiser: SearchStrategy[Optimiser], connected: bool | None, rank: int | None, max_digits: int
) -> SearchStrategy[Problem]:
    def at_resonance(drawn: tuple[Matrix, Optimiser, int, int]) -> Problem:
        gram, how, i, c = drawn
        diagonal = [gram[j][j] for j in range(n) if gram[j][j]]
        share = getattr(how, "batch", n) if not isinstance(how, GradientDescent) else n
        return Problem.from_gram(gram, how).at(Fraction(c * share) / diagonal[i % len(diagonal)])

    found = st.tuples(grams, optimiser, st.integers(0, n - 1), st.sampled_from((1, 2))).map(at_resonance)
    size = n if rank is None else rank
    if connected is not True and n > 1 and size > 1:
        found = st.one_of(found, st.builds(Problem.from_gram, grams_of_rank(n, size, False, max_digits), optimiser))
    return found.filter(lambda problem: not is_regular(problem))


def near_threshold(points: int | Sequence[int] = 2, *, max_digits: int = 2, **options: Any) -> SearchStrategy[Problem]:
    """Batch-1 problems with 2 / max K_ii < eta < eta_det (E6), where neither E5 nor E4 settles the sign of lambda. Options as for `problems`.

    The step size is a simple rational in that bracket, with numerator and denominator of at most `max_digits` digits; entries of K have one digit.
    """
    _batch_one(options)
    if min([points] if isinstance(points, int) else points, default=0) < 2:
        raise InputError(f"points = {points}: with one data point the threshold is 2/K exactly and the bracket is empty; use at least 2")
    bound = bound_of(max_digits)

    def inside(pair: tuple[Problem, int]) -> list[Problem]:
        problem, place = pair
        low, high = _bracket(problem)
        if low == high:
            return []
        eighth = (high - low) / 8
        eta = simplest(low + place * eighth + eighth / 8, low + (place + 1) * eighth - eighth / 8)
        found = problem.at(eta)
        if abs(math.prod((1 - eta * k for k in problem.exact[0].diagonal if k), start=Fraction(1))) > 1:  # E4 decides inside the bracket, too
            return []
        return [found] if max(eta.numerator, eta.denominator) <= bound and (not options.get("regular") or is_regular(found)) else []

    drawn = st.tuples(problems(points, **({"connected": True} | options)), st.integers(0, 7)).map(inside)
    return drawn.filter(bool).map(lambda found: found[0])


def away_from_threshold(points: int | Sequence[int] = 2, *, stable: bool, **options: Any) -> SearchStrategy[Problem]:
    """Batch-1 problems outside the bracket E6: below 2 / max K_ii (`stable`: lambda < 0 by E5) or beyond eta_det (lambda > 0 by E4). Options as near it."""
    _batch_one(options)

    def outside(pair: tuple[Problem, Fraction]) -> Problem:
        problem, share = pair
        low, high = _bracket(problem)
        return problem.at(share * low if stable else Fraction(math.floor(10 * high / share) + 1, 10))

    found = st.tuples(problems(points, **options), st.sampled_from([Fraction(1, 2), Fraction(3, 4), Fraction(9, 10)])).map(outside)
    return found.filter(is_regular) if options.get("regular") else found


def _batch_one(options: dict[str, Any]) -> None:
    for name in ("steps", "kinds", "batches", "replacement", "weighted"):
        if name in options:
            raise InputError(f"{name} cannot be chosen here: the bracket E6 is for batch 1 and gives the step size; leave it out")
    if options.get("regular") is False:
        raise InputError("regular = False cannot be combined with a step size that the threshold gives; use problems(regular=False)")


def _bracket(problem: Problem) -> tuple[Fraction, Fraction]:
    """Rational ends outside which E5 and E4 decide."""
    minimum, optimiser = problem.exact
    assert isinstance(optimiser, SGD)
    found = critical_bracket(minimum, optimiser, Fraction(1, 10**6))
    return found.lower, found.upper[1]


def families(dimension: int = 2, size: int = 2, *, invertible: bool = False, max_digits: int = 1) -> SearchStrategy[Problem]:
    """Bare families: `size` integer matrices with small integer weights, of which at least one is not the identity."""
    d, m, bound = count(dimension, "dimension"), count(size, "size"), bound_of(max_digits)
    row = st.tuples(*[st.integers(-bound, bound).map(Fraction)] * d)
    matrix = st.tuples(*[row] * d)
    if invertible:
        matrix = matrix.filter(lambda a: rank_of(a) == d)
    identity = tuple(tuple(Fraction(i == j) for j in range(d)) for i in range(d))
    lists = st.lists(matrix, min_size=m, max_size=m).filter(lambda found: any(a != identity for a in found))
    return st.builds(Problem.from_matrices, lists, st.lists(st.integers(1, 9), min_size=m, max_size=m))
