"""Gradient descent with momentum (heavy ball) and weight decay, and SGD with them on one sample: the spectral radius of a 2 x 2 block for each eigenvalue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from ..algebra import is_zero
from ..case import Case, need
from ..result import Exact, Step
from .mu import logarithm, logarithms
from .registry import Solve, rule
from .spectra import at_least, largest_modulus, spectrum

FACT = "Variants"
MAX_SHOWN = 4  # the block identity is written out up to this N; it says the same for every N


@rule("mu", "momentum and weight decay")
def heavy_ball(case: Case, _: Solve) -> Exact:
    """mu of w' = w - eta (grad + omega w) + beta (w - w_previous) on span{g_i}: log of the spectral radius of [[S, -beta I], [I, 0]],
    S = (1 + beta - eta omega) I - eta K/N, with the eigenvalues s_j = 1 + beta - eta (omega + kappa_j/N). It is

        log(beta)/2 where the largest |s_j| is at most 2 sqrt(beta), else log((|s| + sqrt(s^2 - 4 beta))/2) at that s.

    Proof. On an eigenvector of K the block acts by t^2 - s t + beta = 0. If s^2 <= 4 beta the roots are conjugate (or equal) with product beta: modulus
    sqrt(beta). Otherwise they are real and of one sign, and the larger modulus is R(|s|) = (|s| + sqrt(s^2 - 4 beta))/2, which is sqrt(beta) at
    |s| = 2 sqrt(beta) and increases. So R is nondecreasing in |s|, and the largest radius belongs to the largest |s_j|, a maximum over the least and the
    largest kappa. ||A^n||^(1/n) tends to the spectral radius (Gelfand), also where the block is not diagonalisable.
    """
    o = case.optimiser
    need(not o.plain, "the optimiser has neither momentum nor weight decay")
    found = spectrum(case)
    beta, center = o.momentum, 1 + o.momentum - o.step_size * o.weight_decay
    modulus = largest_modulus(case, found, center)
    if is_zero(beta):
        first = Step(FACT, "weight decay alone: on span{g_i} the step is symmetric with the eigenvalues 1 - eta omega - eta kappa/N")
        return Exact("mu", logarithms(modulus.pieces), found.conditions, (first, *found.steps, modulus.step))
    root = 2 * sympy.sqrt(beta)
    small = [bound for bound in modulus.bounds if not at_least(root - bound, case.assumptions)]
    oscillating = sympy.And(*(bound <= root for bound in small))
    pieces = [(sympy.log(beta) / 2, oscillating)] + [(logarithm(_radius(value, beta)), condition) for value, condition in modulus.pieces]
    steps = (_block_step(case, center), _radius_step(), *found.steps, modulus.step)
    return Exact("mu", sympy.Piecewise(*pieces), found.conditions, steps)


@rule("lambda", "heavy ball, one sample or full batch")
def one_step(case: Case, solve: Solve) -> Exact:
    """N = 1, or every sample in every step: SGD with momentum or weight decay takes the step of gradient descent every time, so lambda = mu."""
    o = case.optimiser
    need(not o.plain, "the optimiser has neither momentum nor weight decay")
    need(case.full_batch or case.problem.size == 1, "the steps are random")
    found = heavy_ball(case, solve)
    first = Step("E2", "every step is the same matrix, the one of gradient descent, and lambda = mu is the log of its spectral radius")
    return replace(found, quantity="lambda", derivation=(first, *found.derivation))


def _radius(value: Any, beta: Any) -> Any:
    return (value + sympy.sqrt(value**2 - 4 * beta)) / 2


def _block_step(case: Case, center: Any) -> Step:
    """X^2 - diag(S, S) X + beta I = 0 for the block X of the problem, so its eigenvalues solve t^2 - s t + beta = 0, s an eigenvalue of S."""
    o, n = case.optimiser, len(case.indices)
    text = "with S = (1 + beta - eta omega) I - eta K/N the step X = [[S, -beta I], [I, 0]] solves X^2 - diag(S, S) X + beta I = 0"
    if n > MAX_SHOWN:
        return Step(FACT, text)
    s = center * sympy.eye(n) - o.step_size * case.gram / case.problem.size
    beta, identity, zero = o.momentum * sympy.eye(n), sympy.eye(n), sympy.zeros(n, n)
    x, twice = sympy.Matrix(sympy.BlockMatrix([[s, -beta], [identity, zero]])), sympy.Matrix(sympy.BlockMatrix([[s, zero], [zero, s]]))
    return Step(FACT, text, tuple(x * x - twice * x + o.momentum * sympy.eye(2 * n)))


def _radius_step() -> Step:
    s, beta = sympy.Dummy("s", real=True), sympy.Dummy("beta", positive=True)
    high, low = (s + sympy.sqrt(s**2 - 4 * beta)) / 2, (s - sympy.sqrt(s**2 - 4 * beta)) / 2
    identities = (high**2 - s * high + beta, high * low - beta, high.subs(s, 2 * sympy.sqrt(beta)) - sympy.sqrt(beta))
    return Step(FACT, "its largest root has modulus sqrt(beta) if |s| <= 2 sqrt(beta), else (|s| + sqrt(s^2 - 4 beta))/2, nondecreasing in |s|", identities)
