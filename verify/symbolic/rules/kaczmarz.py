"""Randomised Kaczmarz in the plane: every step is the projection along its gradient, so the direction after it is known."""

from __future__ import annotations

from itertools import combinations

import sympy

from ..algebra import is_zero
from ..case import Case, need
from ..growth import compact, mean_log
from ..result import Exact, Step
from .registry import Solve, rule


@rule("lambda", "Kaczmarz")
def kaczmarz(case: Case, _: Solve) -> Exact:
    """All c_i = 1 and d = rank K = 2: lambda = (1/P) sum_{i,j} p_i p_j log|cos(g_i, g_j)|, P = sum p_i, cos^2 = K_ij^2/(K_ii K_jj) (N = 2: 2 p q log|cos|).

    A_i is a projection of rank one, so A_i A_j A_i = trace(A_i A_j) A_i with trace(A_i A_j) = cos^2(g_i, g_j), and A_{s_n} ... A_{s_1} has, up to factors that
    stay bounded above and below while all cosines are nonzero, the norm prod_k |cos(g_{s_k}, g_{s_k+1})|. Refuses c_i that are not 1 identically.
    """
    case.require_single_draws()
    need(all(is_zero(c - 1) for c in case.c), "not every c_i = eta K_ii is 1")
    pulls, _dual, conditions = case.coordinates
    need(pulls[0].rows == 2, f"the gradients span {pulls[0].rows} dimensions, not 2")
    eta, k, p = case.optimiser.step_size, case.gram, case.draw_probabilities
    steps = [sympy.eye(2) - eta * pull for pull in pulls]
    pairs = list(combinations(range(len(p)), 2))
    squares = {(i, j): compact(k[i, j] ** 2 / (k[i, i] * k[j, j])) for i, j in pairs}
    projections = tuple(entry for a in steps for entry in (*(a * a - a), a.trace() - 1))
    cosines = tuple((steps[i] * steps[j]).trace() - square for (i, j), square in squares.items())
    derivation = (
        Step("E8", "c_i = 1 in the plane: A_i^2 = A_i and trace A_i = 1, every step is the projection onto the line orthogonal to g_i", projections),
        Step("E8", "trace(A_i A_j) = cos^2(g_i, g_j), so A_i A_j A_i = cos^2(g_i, g_j) A_i", cosines),
        Step("E8", "labels of successive steps are independent; the strong law of large numbers for log|cos| of successive gradients, log 0 = -oo"),
    )
    total = sympy.cancel(sum(p))
    terms = [(p[i] * p[j] / total, square) for (i, j), square in squares.items() if not is_zero(square - 1)]
    return Exact("lambda", mean_log(terms), conditions, derivation)
