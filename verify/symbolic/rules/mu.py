"""mu of gradient descent, its step-size threshold, and the exact sign conditions where no compact formula exists."""

from __future__ import annotations

from typing import Any

import sympy

from ...exact import InputError
from ...problem import Problem
from ..algebra import is_zero
from ..case import Case, need
from ..problem import SymbolicProblem
from ..result import Exact, Step, checked
from .registry import Solve, rule
from .spectra import largest_modulus, spectrum
from .spectral_parts import MAX_RATIONAL, MAX_SYMBOLIC, T, characteristic, compare, tidy


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
    """log(value), -oo for zero."""
    return sympy.S.NegativeInfinity if value.is_zero or (value.is_number and compare(value, sympy.Integer(0)) == 0) else sympy.log(value)


def gd_threshold(problem: Problem | SymbolicProblem) -> Exact:
    """eta_gd: gradient descent has mu < 0 exactly for step sizes 0 < eta < eta_gd = 2 N/kappa_max, kappa_max the largest eigenvalue of K.

    With momentum beta and weight decay omega the threshold is 2 (1 + beta)/(kappa_max/N + omega): both roots of t^2 - s t + beta lie in the open unit disc
    iff |s| < 1 + beta and beta < 1 (Jury), and s = 1 + beta - eta (kappa/N + omega) < 1 + beta always. The step size of the problem is ignored.
    Raises `InputError` for bare matrices and random inputs, and `Refused` where the eigenvalues have no compact form.
    """
    symbolic = _with_data(problem)
    case = Case(symbolic)
    found = spectrum(case)
    o, n = case.optimiser, symbolic.size
    largest = found.highs[0] if len(found.highs) == 1 else sympy.Max(*found.highs)
    value = tidy(2 * n * (1 + o.momentum) / (largest + n * o.weight_decay))
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
        text = "both roots of t^2 - s t + beta, s = 1 + beta - eta (kappa/N + omega), are in the open unit disc iff it is positive at 1 and -1 and beta < 1"
    steps = (*found.steps, Step("E2" if o.plain else "Variants", text, () if o.plain else jury))
    return checked(Exact("eta_gd", value, conditions, steps, "gradient descent threshold", symbolic))


def mu_sign_conditions(problem: Problem | SymbolicProblem) -> tuple[Any, ...]:
    """Relations, polynomial in eta and the entries of K, that hold exactly where mu < 0, with no formula for any eigenvalue: for N <= 4 (rational K: 6).

    Let chi(t) = t^d - e_1 t^(d-1) + .. +- e_d be det(t I - K) without its zero roots and tau = 2 N/eta. The relations say that all coefficients of
    chi(tau + s) in s are positive. All roots of chi are real. If mu < 0, every nonzero kappa is below tau, all roots of chi(tau + s) are negative, and its
    coefficients are positive. If they are positive, no s >= 0 is a root, so 0 < kappa < tau for every nonzero kappa and |1 - eta kappa/N| < 1. Where the
    rank of K drops at some parameters, s = -tau is a root and the statement stays true. With momentum beta and weight decay omega, beta < 1
    and eta tau = N (2 (1 + beta) - eta omega), see `gd_threshold`; if that is negative both sides fail. Each coefficient is multiplied by a power of eta.
    Relations that follow from the assumptions are left out, so () means that mu < 0 always; (false,) means never.
    Raises `InputError` where there are no data or too many samples with a gradient.
    """
    symbolic = _with_data(problem)
    case = Case(symbolic)
    o, size = case.optimiser, len(case.indices)
    limit = MAX_RATIONAL if all(x.is_Rational for x in case.gram) else MAX_SYMBOLIC
    if size > limit:
        raise InputError(f"K has {size} samples with a gradient; the conditions are written down for at most {limit}")
    coefficients = [tidy(x) for x in sympy.Poly(characteristic(case.gram), T).all_coeffs()]
    if not is_zero((T * sympy.eye(size) - case.gram).det(method="berkowitz") - sum(x * T ** (size - k) for k, x in enumerate(coefficients))):
        raise InputError("the characteristic polynomial of K could not be verified; simplify the entries of K")
    while is_zero(coefficients[-1]):
        coefficients.pop()
    d, tau = len(coefficients) - 1, tidy(symbolic.size * (2 * (1 + o.momentum) - o.step_size * o.weight_decay))
    found = [] if case.assumptions.sign(1 - o.momentum) == 1 else [o.momentum < 1]
    for j in range(d):
        terms = (sympy.binomial(d - k, j) * tau ** (d - k - j) * o.step_size**k * x for k, x in enumerate(coefficients[: d - j + 1]))
        value = tidy(sum(terms, start=sympy.Integer(0)).primitive()[1])
        sign = case.assumptions.sign(value)
        if sign in (0, -1):
            return (sympy.false,)
        if sign is None:
            found.append(sympy.StrictGreaterThan(value, 0, evaluate=False))
    return tuple(found)


def _with_data(problem: Problem | SymbolicProblem) -> SymbolicProblem:
    symbolic = SymbolicProblem.of(problem)
    if not symbolic.size:
        raise InputError("gradient descent needs a Gram matrix or features; bare matrices and random inputs have none")
    return symbolic
