"""Hypothesis strategies for stability problems: exact rational step sizes, Gram matrices, features, optimisers, problems, bare families
and small nonlinear models.

Everything is made of small integers and shrinks towards them: denominators towards 1, entries towards 0 or 1, fewer data points first. A strategy whose
constraints contradict each other raises `InputError` when it is made, not while examples are drawn.

    >>> from hypothesis import given
    >>> from verify import strategies
    >>> @given(strategies.problems(points=2, regular=True))
    ... def test(problem):
    ...     assert problem.mean_square().sign.value != "negative" or problem.lyapunov().sign.value == "negative"    # E11

Regular means R1 and R2 of THEORY.md: no step has determinant 0, 1 or -1 (for batch 1: no c_i = eta K_ii is 1 or 2), and the graph of K is connected.
"""

from ..regularity import is_regular
from ._grams import features, gram_matrices, minima
from ._models import nonlinear_models
from ._numbers import rationals, step_sizes
from ._problems import away_from_threshold, families, near_threshold, optimisers, problems

__all__ = [
    "away_from_threshold",
    "families",
    "features",
    "gram_matrices",
    "is_regular",
    "minima",
    "near_threshold",
    "nonlinear_models",
    "optimisers",
    "problems",
    "rationals",
    "step_sizes",
]
