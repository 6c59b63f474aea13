"""d = 1: one sample, one parameter, or parallel gradients. Steps are numbers, and lambda is the mean of their log moduli (E4 with equality)."""

from __future__ import annotations

import sympy

from ..case import Case, need
from ..result import Exact, Step
from .registry import Solve, rule


@rule("lambda", "one dimension")
def one_dimension(case: Case, _: Solve) -> Exact:
    """lambda = sum_s p_s log |a_s|; for D = 1 and batch 1 that is sum_i p_i log |1 - eta x_i^2|."""
    if case.problem.population is None and case.problem.optimiser is not None and case.problem.size == 1 and case.optimiser.kind == "sgd":
        if case.optimiser.plain:  # with replacement, a batch of any size is the one sample again
            (c,) = case.c
            return Exact("lambda", sympy.log(sympy.Abs(1 - c)), (), (Step("E4", "one sample: every step is the number 1 - eta K_11"),))
    family = case.family
    need(family.dimension == 1, f"the steps act on {family.dimension} dimensions")
    factors = [a[0, 0] for a in family.steps]
    value = sum((p * sympy.log(sympy.Abs(a)) for p, a in zip(family.probabilities, factors, strict=True)), start=sympy.Integer(0))
    minors = () if case.problem.matrices is not None or case.problem.size < 2 else tuple(
        case.gram[i, j] ** 2 - case.gram[i, i] * case.gram[j, j] for i in range(case.gram.rows) for j in range(i)
    )  # fmt: skip
    text = "all gradients are parallel, so every step multiplies the residual by a number; the strong law of large numbers"
    return Exact("lambda", value, family.conditions, (Step("E4", text, minors),))
