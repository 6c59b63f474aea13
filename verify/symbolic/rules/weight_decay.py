"""SGD with weight decay: on span{g_i} it is SGD without, at a larger step size and scaled; and the case eta omega = 1, where only the pulls are left."""

from __future__ import annotations

from dataclasses import replace

import sympy

from ..algebra import is_zero
from ..case import Case, need
from ..result import Exact, Step
from .mu import logarithm
from .registry import Solve, rule
from .spectral_parts import tidy

FACT = "Variants"
MAX_SHOWN, MAX_SAMPLES = 4, 6


@rule("lambda", "weight decay")
def weight_decay(case: Case, solve: Solve) -> Exact:
    """lambda_omega(eta) = log(1 - eta omega) + lambda(eta/(1 - eta omega)) where eta omega < 1, for every batch scheme.

    Proof. A step is (1 - eta omega) I - eta G = (1 - eta omega) (I - eta/(1 - eta omega) G), G the mean of g_i g_i^T over the batch; log of a product.
    This is the exponent on span{g_i}; on its orthogonal complement it is log |1 - eta omega|. w* is no longer a fixed point of every step, so T2 says
    nothing, and lambda < 0 means a unique stationary law, not convergence to a point.
    """
    o = case.optimiser
    need(not is_zero(o.weight_decay), "the optimiser has no weight decay")
    need(is_zero(o.momentum), "the optimiser has momentum")
    rest = tidy(1 - o.step_size * o.weight_decay)
    sign = case.assumptions.sign(rest)
    need(sign != 0, "eta omega = 1, so there is no step size without weight decay to reduce to")
    need(sign != -1, "eta omega > 1, so it would reduce to a negative step size")
    conditions = () if sign == 1 else (sympy.StrictGreaterThan(rest, 0, evaluate=False),)
    known = case.assumptions.with_facts(() if sign == 1 else (rest,))
    plain = replace(o, step_size=tidy(o.step_size / rest), weight_decay=sympy.Integer(0))
    found = solve(Case(replace(case.problem, optimiser=plain, assumptions=known), case.samples))
    text = (
        "on span{g_i} every step is (1 - eta omega)(I - eta/(1 - eta omega) G), so lambda is log(1 - eta omega) plus the exponent without weight decay at the "
        "step size eta/(1 - eta omega); on the orthogonal complement it is log|1 - eta omega|; w* is no common fixed point any more: lambda < 0 means a "
        "unique stationary law, not convergence to w*"
    )
    value = found.expression if found.expression is sympy.S.NegativeInfinity else sympy.log(rest) + found.expression
    extra = tuple(x for x in found.conditions if x not in conditions)
    return Exact("lambda", value, (*conditions, *extra), (Step(FACT, text), _scaling(case, plain.step_size), *found.derivation))


def _scaling(case: Case, step_size: object) -> Step:
    """(1 - eta omega) I - eta K D - (1 - eta omega) (I - eta' K D) for the batch with multiplicities D/B, in residual coordinates."""
    o, n = case.optimiser, len(case.indices)
    rest = 1 - o.step_size * o.weight_decay
    shown = min(n, MAX_SHOWN)  # the same identity for every sample: the step is linear in the multiplicities
    share = sympy.diag(*(sympy.Dummy(f"m{i}", real=True) for i in range(shown)))
    pull = case.gram[:shown, :shown] * share
    identities = rest * sympy.eye(shown) - o.step_size * pull - rest * (sympy.eye(shown) - step_size * pull)
    return Step(FACT, "weight decay scales the step and enlarges the step size to eta' = eta/(1 - eta omega)", tuple(identities))


@rule("lambda", "weight decay, eta omega = 1")
def only_pulls(case: Case, _: Solve) -> Exact:
    """eta omega = 1, batch 1: lambda = log(eta) + sum_ij p_i p_j log |K_ij|, and -oo if a gradient vanishes or two are orthogonal.

    Proof. In residual coordinates the step is -eta K e_i e_i^T, so A^n = (-eta)^n K e_(i_n) e_(i_1)^T times the product of K_(i_(k+1) i_k), k < n. The pairs
    (i_k, i_(k+1)) are stationary and ergodic: the mean of log |K_(i_(k+1) i_k)| tends to sum_ij p_i p_j log |K_ij|. If some K_ij = 0 with p_i p_j > 0 the
    product vanishes almost surely from some n on.
    """
    o = case.optimiser
    need(is_zero(o.momentum), "the optimiser has momentum")
    need(not is_zero(o.weight_decay) and is_zero(1 - o.step_size * o.weight_decay), "eta omega is not identically 1")
    need(o.kind == "sgd" and o.batch == 1, "is a formula for SGD with batch 1")
    need(len(case.indices) <= MAX_SAMPLES, f"the sum over pairs is written down for at most {MAX_SAMPLES} samples")
    p, k = case.draw_probabilities, case.gram
    text = "eta omega = 1 leaves A_i = -eta K e_i e_i^T of rank one, so |A^n| is a product of eta |K_ij| over consecutive draws; the ergodic theorem"
    n = k.rows
    unit = [sympy.eye(n).col(i) for i in range(n)]
    steps = [(1 - o.step_size * o.weight_decay) * sympy.eye(n) - o.step_size * k * e * e.T for e in unit]
    products = [(steps[i] * steps[j] - o.step_size**2 * k[i, j] * k * unit[i] * unit[j].T) for i in range(n) for j in range(n)]
    step = Step(FACT, text, tuple(x for a in products for x in a))
    if not is_zero(1 - sum(p)) or any(is_zero(x) for x in k):
        dies = Step(FACT, "a gradient vanishes or two are orthogonal: almost surely A^n = 0 from some n on")
        return Exact("lambda", sympy.S.NegativeInfinity, (), (step, dies))
    value = sum((p[i] * p[j] * sympy.log(sympy.Abs(k[i, j])) for i in range(n) for j in range(n)), start=logarithm(o.step_size))
    return Exact("lambda", value, (), (step,))
