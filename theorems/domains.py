"""Where problems are drawn for a statement: Hypothesis strategies by the number of data points, chosen so that its hypotheses are often met.

Hypothesis is imported when a strategy is made, not before.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Drawn = Callable[[int], "SearchStrategy[Any]"]


def anywhere(**options: Any) -> Drawn:
    """`verify.strategies.problems` with these options, and for plain batch 1 also step sizes near the threshold and below it."""

    def strategy(points: int) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        from verify import strategies

        found = [strategies.problems(points, **options)]
        if points > 1 and not set(options) & {"kinds", "batches", "replacement", "steps"}:
            plain = {key: value for key, value in options.items() if key != "weighted"}
            found += [strategies.near_threshold(points, **plain)] if options.get("connected") is not False and options.get("regular") is not False else []
            found += [strategies.away_from_threshold(points, stable=True, **plain)] if options.get("regular") is not False else []
        return st.one_of(found)

    return strategy


def full_batch(points: int) -> SearchStrategy[Any]:
    """Gradient descent, and SGD with every sample in every step."""
    from verify import strategies

    return strategies.problems(points, kinds=("gd", "sgd"), batches=(points,), replacement=(False,))


def stable(points: int) -> SearchStrategy[Any]:
    """All c_i < 2."""
    from verify import strategies

    return strategies.away_from_threshold(points, stable=True)


def stable_and_connected(points: int) -> SearchStrategy[Any]:
    """All c_i < 2, a connected graph."""
    from verify import strategies

    return strategies.away_from_threshold(points, stable=True, connected=True if points > 1 else None)


def boundary(points: int) -> SearchStrategy[Any]:
    """The largest c_i is 2, or below."""
    from hypothesis import strategies as st

    from verify import strategies

    return st.one_of(strategies.problems(points).map(lambda problem: problem.at(2 / max(problem.exact[0].diagonal))), stable(points))


def outside_bracket(points: int) -> SearchStrategy[Any]:
    """Below 2/max K_ii or above eta_det."""
    from hypothesis import strategies as st

    from verify import strategies

    return st.one_of(stable(points), strategies.away_from_threshold(points, stable=False))


def equal_norms(points: int) -> SearchStrategy[Any]:
    """All K_ii equal, eta k around 2."""
    from hypothesis import strategies as st

    from verify import SGD, Problem

    def problem(k: int, off: list[int], c: Fraction) -> Problem | None:
        entries = iter(off)
        rows = [[Fraction(k) for _ in range(points)] for _ in range(points)]
        for i in range(points):
            for j in range(i):
                rows[i][j] = rows[j][i] = Fraction(next(entries) % (2 * k - 1) - k + 1)
        try:
            return Problem.from_gram(rows, SGD(c / k))
        except ValueError:
            return None

    numbers = st.lists(st.integers(0, 60), min_size=points * (points - 1) // 2, max_size=points * (points - 1) // 2)
    cs = st.sampled_from([Fraction(x) for x in ("2", "1", "3", "1/2", "3/2", "5/2", "7/4", "9/4")])
    return st.builds(problem, st.integers(1, 9), numbers, cs).filter(lambda p: p is not None)


def one_singular(points: int) -> SearchStrategy[Any]:
    """c_1 = 1."""
    from verify import strategies

    return strategies.problems(points).map(lambda problem: problem.at(1 / problem.exact[0].gram[0][0]))


def far_from_one(points: int) -> SearchStrategy[Any]:
    """Large or small step sizes, where the expansions are valid."""
    from hypothesis import strategies as st

    from verify import strategies

    def scaled(problem: Any, large: bool) -> Any:
        gram = problem.exact[0].gram
        sizes = [abs(x) for row in gram for x in row if x]
        return problem.at(8 * max(sizes) / min(sizes) ** 2 if large else Fraction(1, 10) / max(sizes))

    return st.builds(scaled, strategies.problems(points, connected=True if points > 1 else None), st.booleans())


def populations(points: int) -> SearchStrategy[Any]:
    """Isotropic inputs in up to 5 dimensions; `points` plays no part."""
    del points
    from hypothesis import strategies as st

    from verify.symbolic import SymbolicProblem

    cs = st.sampled_from(["1/4", "1/2", "3/4", "3/2", "7/4", "9/4", "5/2", "3", "5"])
    return st.builds(lambda d, c: SymbolicProblem.from_population("isotropic", d, 1, c), st.integers(1, 5), cs)


def with_labels(points: int) -> SearchStrategy[Any]:
    """Linear models with labels, solvable or not, and disconnected minima."""
    from hypothesis import strategies as st

    from verify import SGD, Problem, strategies

    labels = st.lists(st.integers(-2, 2), min_size=points, max_size=points)
    rows = strategies.features(points, max(1, points - 1))
    models = st.builds(lambda x, z, eta: Problem.from_features(x, SGD(eta), z), rows, labels, strategies.step_sizes())
    return st.one_of(models, strategies.problems(points, connected=False)) if points > 1 else models
