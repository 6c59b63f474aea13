"""mu of gradient descent, its step-size threshold, and the exact sign conditions where no compact formula exists."""

from __future__ import annotations

from typing import Any

import sympy

from ...exact import InputError
from ...problem import Problem
from ...result import Attempt
from ..algebra import is_zero
from ..case import Case, Refused, need
from ..problem import SymbolicProblem
from ..result import Exact, Step, Unsolved
from .registry import Solve, rule
from .spectra import largest_modulus, spectrum
from .spectral_parts import FACT, MAX_RATIONAL, T, characteristic, tidy


@rule("mu", "eigenvalues of K")
def mu(case: Case, _: Solve) -> Exact:
    """mu = max_j log |1 - eta kappa_j/N| over the nonzero eigenvalues kappa_j of K (E2): with the least and the largest of them

        mu = log(1 - eta kappa_min/N)  if eta (kappa_min + kappa_max) <= 2 N,  else  log(eta kappa_max/N - 1).

    How the samples are drawn does not matter: mu is the exponent of gradient descent on the same data.
    """
    need(case.optimiser.plain, "the optimiser has momentum or weight decay")
    found = spectrum(case)
    modulus = largest_modulus(case, found, sympy.Integer(1))
    definition = Step("E2", "mu is the largest log |1 - eta kappa/N| over the nonzero eigenvalues kappa of K, as A = I - eta K/N is symmetric on range(K)")
    return Exact("mu", logarithms(modulus.pieces), found.conditions, (definition, *found.steps, modulus.step))


def logarithms(pieces: tuple[tuple[Any, Any], ...]) -> Any:
    """The logarithm of a piecewise value, log 0 = -oo."""
    return sympy.Piecewise(*((logarithm(value), condition) for value, condition in pieces))


def logarithm(value: Any) -> Any:
    """log(value), -oo where it vanishes identically."""
    return sympy.S.NegativeInfinity if is_zero(value) else sympy.log(value)


def gd_threshold(problem: Problem | SymbolicProblem) -> Exact | Unsolved:
    """eta_gd: gradient descent has mu < 0 exactly for step sizes 0 < eta < eta_gd = 2 N/kappa_max, kappa_max the largest eigenvalue of K.

    With momentum beta and weight decay omega the threshold is 2 (1 + beta)/(kappa_max/N + omega): both roots of t^2 - s t + beta lie in the open unit disc
    iff |s| < 1 + beta and beta < 1 (Jury), and s = 1 + beta - eta (kappa/N + omega) < 1 + beta always. The step size of the problem is ignored.
    Raises `InputError` for bare matrices and random inputs.
    """
    symbolic = _with_data(problem)
    case = Case(symbolic)
    try:
        found = spectrum(case)
    except Refused as reason:
        return Unsolved("eta_gd", (Attempt("eigenvalues of K", str(reason)),))
    o, n = case.optimiser, symbolic.size
    bounds = [tidy(2 * n * (1 + o.momentum) / (kappa + n * o.weight_decay)) for kappa in found.highs]
    conditions = found.defined
    trace = tidy(case.gram.trace())  # positive iff the largest eigenvalue is, as none is negative
    if case.assumptions.sign(trace) != 1:
        conditions += (sympy.StrictGreaterThan(trace, 0, evaluate=False),)
    if not is_zero(o.momentum) and case.assumptions.sign(1 - o.momentum) != 1:
        conditions += (o.momentum < 1,)
    t, s, beta = (sympy.Dummy(name, real=True) for name in ("t", "s", "beta"))
    quadratic = t**2 - s * t + beta
    jury = (quadratic.subs(t, 1) - (1 + beta - s), quadratic.subs(t, -1) - (1 + beta + s))
    text = "mu < 0 iff |1 - eta kappa/N| < 1 for every nonzero eigenvalue, that is eta kappa_max < 2 N"
    if not o.plain:
        text = "both roots of t^2 - s t + beta, s = 1 + beta - eta (kappa/N + omega), lie in the open unit disc iff the values at 1 and -1 are positive and beta < 1"
    steps = (*found.steps, Step("E2" if o.plain else "Variants", text, () if o.plain else jury))
    answer = Exact("eta_gd", sympy.Min(*bounds), conditions, steps, "gradient descent threshold", symbolic)
    return answer if answer.proved else Unsolved("eta_gd", (Attempt("eigenvalues of K", "its check does not simplify to zero"),))


def mu_sign_conditions(problem: Problem | SymbolicProblem) -> tuple[Any, ...]:
    """Relations, polynomial in the entries of eta K, that hold exactly where mu < 0; for N up to 6, with no formula for any eigenvalue.

    With A = eta K/N and d = rank K let det((2 + s) I - A) = (2 + s)^(N-d) sum_k a_k s^k. The a_k are real and a_d = 1. All roots of the sum are real,
    s = eta kappa/N - 2. If mu < 0, every nonzero kappa has 0 < eta kappa/N < 2, all roots are negative, and all a_k are positive. If all a_k are
    positive, no s >= 0 is a root, so eta kappa/N < 2 for all kappa, and |1 - eta kappa/N| < 1 as the nonzero kappa are positive. Where the rank of K
    drops at some parameters, roots s = -2 appear and the statement stays true. With momentum beta < 1 and weight decay omega, 2 becomes
    2 (1 + beta) - eta omega (`gd_threshold` has the reason). Relations that follow from the assumptions are left out: () means that mu < 0 always; a
    relation that never holds is returned as sympy.false. Raises `InputError` where there are no data or more than 6 samples with a gradient.
    """
    symbolic = _with_data(problem)
    case = Case(symbolic)
    if len(case.indices) > MAX_RATIONAL:
        raise InputError(f"K has {len(case.indices)} samples with a gradient; the conditions are written down for at most {MAX_RATIONAL}")
    o = case.optimiser
    a = (case.gram * o.step_size / symbolic.size).applyfunc(tidy)
    chi = sympy.Poly(characteristic(a), T)
    coefficients = [tidy(x) for x in reversed(chi.all_coeffs())]
    zeros = next(i for i, x in enumerate(coefficients) if not is_zero(x))
    reduced = sum((x * T**i for i, x in enumerate(coefficients[zeros:])), start=sympy.Integer(0))
    edge = 2 * (1 + o.momentum) - o.step_size * o.weight_decay
    if not is_zero((T * sympy.eye(a.rows) - a).det(method="berkowitz") - T**zeros * reduced):
        raise InputError("the characteristic polynomial of K could not be verified; simplify the entries of K")
    shifted = [tidy(x) for x in reversed(sympy.Poly(reduced.subs(T, edge + T), T).all_coeffs())]
    signs = [case.assumptions.sign(x) for x in shifted[:-1]]
    if any(sign in (0, -1) for sign in signs):
        return (sympy.false,)
    return tuple(sympy.StrictGreaterThan(x, 0) for x, sign in zip(shifted[:-1], signs, strict=True) if sign is None)


def _with_data(problem: Problem | SymbolicProblem) -> SymbolicProblem:
    symbolic = SymbolicProblem.of(problem)
    if not symbolic.size:
        raise InputError("gradient descent needs a Gram matrix or features; bare matrices and random inputs have none")
    return symbolic
