"""K diagonal (E3): every sample is a component of dimension one, and lambda = max_i E log|1 - eta m_i K_ii/B|."""

from __future__ import annotations

import math
from typing import Any

import sympy

from ..algebra import is_zero
from ..case import Case, need
from ..growth import MINUS_INFINITY, compact, maximum, mean_log
from ..result import Exact, Step
from .bound_variable import bound_variable
from .registry import Solve, rule

MAX_TERMS = 8  # larger batches with replacement are left as a sum over the binomial law


@rule("lambda", "orthogonal gradients")
def orthogonal(case: Case, _: Solve) -> Exact:
    """lambda = max_i E log|1 - eta m_i K_ii/B|, m_i the multiplicity of sample i in a batch: for batch 1, max_i p_i log|1 - c_i|; without replacement
    (B/N) max_i log|1 - eta K_ii/B|; with replacement a sum over the binomial law. Source: E3."""
    need(case.indices, "no sample has a gradient")
    o, gram = case.optimiser, case.gram
    need(o.plain and case.problem.population is None, "is about plain steps, without momentum or weight decay")
    off_diagonal = tuple(gram[i, j] for i in range(gram.rows) for j in range(i))
    need(all(is_zero(x) for x in off_diagonal), "the gradients are not orthogonal")
    values = [_growth(case, i) for i in range(gram.rows)]
    conditions = [sympy.StrictGreaterThan(k, 0, evaluate=False) for i in range(gram.rows) if case.assumptions.sign(k := gram[i, i]) != 1]
    if not o.replacement and o.batch.free_symbols and not case.assumptions.nonnegative(case.problem.size - o.batch):
        conditions.append(sympy.LessThan(o.batch, case.problem.size, evaluate=False))
    text = "K is diagonal, so every sample is a component of dimension one, where lambda is the mean of log|1 - eta m_i K_ii/B| by the strong law"
    return Exact("lambda", maximum(values, case.assumptions), tuple(dict.fromkeys(conditions)), (Step("E3", text, off_diagonal),))


def _growth(case: Case, i: int) -> Any:
    o, n = case.optimiser, case.problem.size
    strength, p = sympy.cancel(o.step_size * case.gram[i, i]), case.draw_probabilities[i] if o.kind == "sgd" else sympy.Integer(1)
    if case.full_batch:
        return mean_log([(sympy.Integer(1), 1 - strength / n)])
    if o.batch == 1:
        return mean_log([(p, 1 - strength)])
    if not o.replacement:
        return mean_log([(o.batch / n, 1 - strength / o.batch)])
    return _binomial_growth(o.batch, p, strength, bound_variable(case.problem, "mjk", integer=True))


def _binomial_growth(b: Any, p: Any, strength: Any, m: Any) -> Any:
    """sum over m of the binomial law of B draws with probability p, times log|1 - m strength/B|."""
    if is_zero(p - 1):
        return mean_log([(sympy.Integer(1), 1 - strength)])
    if b.is_Integer and b <= MAX_TERMS:
        return mean_log((math.comb(int(b), m) * p**m * (1 - p) ** (int(b) - m), 1 - sympy.Integer(m) * strength / b) for m in range(1, int(b) + 1))
    if b.is_Integer and strength.is_number and not strength.is_zero:
        killing = b / strength  # log 0 at this multiplicity, if it is one
        if killing.is_Integer and 1 <= killing <= b:
            return MINUS_INFINITY
    term = sympy.binomial(b, m) * p**m * (1 - p) ** (b - m) * sympy.log(sympy.Abs(compact(1 - m * strength / b)))
    return sympy.Sum(term, (m, 1, b))
