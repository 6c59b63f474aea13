"""d = 1: one sample, one parameter, or parallel gradients. Steps are numbers, and lambda is the mean of their log moduli (E4 with equality)."""

from __future__ import annotations

from ..case import Case, need
from ..growth import mean_log
from ..result import Exact, Step
from .registry import Solve, rule


@rule("lambda", "one dimension")
def one_dimension(case: Case, _: Solve) -> Exact:
    """lambda = sum_s p_s log |a_s|; for D = 1 and batch 1 that is sum_i p_i log |1 - eta x_i^2|."""
    o = case.problem.optimiser
    if case.problem.population is None and o is not None and case.problem.size == 1 and o.kind == "sgd" and o.plain:
        (c,) = case.c  # with replacement, a batch of any size is the one sample again
        return Exact("lambda", mean_log([(1, 1 - c)]), case.basis[1], (Step("E4", "one sample: every step is the number 1 - eta K_11"),))
    family = case.family
    need(family.dimension == 1, f"the steps act on {family.dimension} dimensions")
    factors = [a[0, 0] for a in family.steps]
    value = mean_log(zip(family.probabilities, factors, strict=True))
    minors = () if case.problem.matrices is not None or case.problem.size < 2 else tuple(
        case.gram[i, j] ** 2 - case.gram[i, i] * case.gram[j, j] for i in range(case.gram.rows) for j in range(i)
    )  # fmt: skip
    text = "all gradients are parallel, so every step multiplies the residual by a number; the strong law of large numbers"
    return Exact("lambda", value, family.conditions, (Step("E4", text, minors),))
