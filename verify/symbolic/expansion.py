"""Expansions of lambda in the step size with explicit remainders: eta -> 0 (E15) and eta -> infinity (E10), SGD with batch 1 and any weights.

Small steps. With p the sampling probabilities, P = diag(p), let kappa be the least eigenvalue of K P and y its left eigenvector, y^T K P = kappa y^T.
If after sign changes of the samples all K_ij <= 0 (i != j; always possible for N = 2), then y > 0, the steps map {r >= 0} into itself for eta < 1/max K_ii, and
with h(r) = <y, r>, s_i = y_i r_i / h(r) (s >= 0, sum s_i = 1):  h(A_i r)/h(r) = 1 - eta kappa s_i/p_i.  So (S2, concavity of the logarithm)

    min_i p_i log(1 - eta kappa/p_i) <= lambda <= log(1 - eta kappa)            for 0 < eta < 1/max K_ii.

For N = 2 the direction s = s_1 moves by s -> s (1 - c_1)/(1 - eta kappa s/p_1) or 1 - s -> (1 - s)(1 - c_2)/(1 - eta kappa (1 - s)/p_2), to first order in eta
with the linear drift -delta (s - s*), delta = kappa' - kappa, s* = (p_2 K_22 - kappa)/delta. Hence Poisson's equation for h = <y, r> exp(sum_k eta^k g_k(s)) is
solved order by order by polynomials g_k, and every coefficient of lambda is rational in kappa, K_11, K_22, p.

Large steps, all K_ij != 0 (E10):

    lambda = log eta + sum p_i p_j log|K_ij| - (1/eta) sum p_i p_j p_k K_jk/(K_ij K_ik) + O(1/eta^2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

import sympy

from ..exact import InputError
from .algebra import is_zero
from .case import Case, need
from .problem import SymbolicProblem
from .result import Derived, Step, checked
from .roots import real_roots

ETA = sympy.Symbol("eta", positive=True)
MAX_ORDER = 6
MAX_SAMPLES = 12


@dataclass(frozen=True)
class Expansion(Derived):
    """|lambda - value| <= constant * eta^power for every step size in `valid`; value is a truncated series in the symbol `eta`, not lambda itself."""

    value: Any
    coefficients: tuple[Any, ...]
    power: int
    constant: Any
    valid: Any
    conditions: tuple[Any, ...]
    derivation: tuple[Step, ...] = field(repr=False)
    eta: Any = ETA

    @property
    def remainder(self) -> Any:
        """The bound of the error, in `eta`."""
        return self.constant * self.eta**self.power

    def to_json(self) -> dict[str, Any]:
        """Stable keys: expansion, remainder, valid, conditions, derivation."""
        return {"expansion": str(self.value), "remainder": str(self.remainder), "valid": str(self.valid)} | self.proof_json()

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def latex(self) -> str:
        """The expansion in LaTeX, with the order of its remainder."""
        return rf"\lambda = {sympy.latex(self.value)} + O\left({sympy.latex(self.eta**self.power)}\right)"

    def __str__(self) -> str:
        return f"lambda = {self.value}, up to {self.remainder} for {self.valid}"


@dataclass(frozen=True)
class Bracket(Derived):
    """lower <= lambda <= upper for every step size in `valid`, in the symbol `eta`; lower is None where no bound is proved."""

    lower: Any
    upper: Any
    valid: Any
    derivation: tuple[Step, ...] = field(repr=False)
    conditions: tuple[Any, ...] = ()
    eta: Any = ETA


def small_steps(problem: Any, order: int = 2) -> Expansion:
    """lambda = a_1 eta + ... + a_m eta^m + O(eta^(m+1)) for two samples, batch 1, m = `order`; the step size of the problem is ignored.

    a_1 = -kappa and a_2 = -(kappa^2/2) sum_i s_i^2/p_i; for uniform p this is -kappa_min/2 and -(kappa_min^2/4) sum_i y_i^4 with the unit eigenvector y of the
    least eigenvalue kappa_min of K. Raises `Refused` where N != 2, or K_12 vanishes or K is singular (then `closed_form` is exact).
    """
    case, eta = _single_draws(problem)
    if not 1 <= order <= MAX_ORDER:
        raise InputError(f"order = {order} is not between 1 and {MAX_ORDER}")
    need(case.gram.rows == 2, f"the expansion in closed form is for two samples, not {case.gram.rows}; small_step_bracket is for any number")
    need(len(case.basis[0]) == 2 and not is_zero(case.gram[0, 1]), "the gradients are parallel or orthogonal, and closed_form is exact")
    coefficients, corrections, identities = _solved(case, order)
    text = f"Poisson's equation for h = <y, r> exp(g(s)) holds up to order {order}, with polynomials g_k; S2 on the invariant quadrant"
    found = sum((c * eta**m for m, c in enumerate(coefficients, 1)), start=sympy.Integer(0))
    # On |eta| <= rho = 1/(4 max K_ii) all |x| in log(1 - x) are at most 1/4 and |s^(i)| <= 8/3, so the residual is at most B there: Cauchy's estimate.
    largest = sympy.Max(*case.gram.diagonal())
    reach = sum((_size(g) * 2 / (4 * largest) ** m for m, g in enumerate(corrections, 1)), start=sympy.log(sympy.Rational(4, 3)))
    constant, valid = 2 * reach * (4 * largest) ** (order + 1), sympy.Le(eta, 1 / (8 * largest), evaluate=False)
    proof = (Step("E15", text, tuple(identities)),)
    return checked(Expansion(found, tuple(coefficients), order + 1, constant, valid, _conditions(case), proof, eta))


@dataclass(frozen=True)
class _Poisson:
    """Poisson's equation solved in Q[s, x, sigma, u, v], where time is scaled so that delta = 1: x = kappa/delta, sigma = s*, u = 1/p, v = 1/q.

    `values` are a_1 .. a_m, `corrections` g_1 .. g_(m-1), `equations` what must vanish.
    """

    values: list[Any]
    corrections: list[Any]
    equations: list[Any]


@lru_cache(maxsize=MAX_ORDER)
def _poisson(order: int) -> _Poisson:
    """The equations do not depend on K: they are solved once for each order."""
    domain, s, x, sigma, u, v = sympy.ring("s x sigma u v", sympy.QQ)
    one, values, corrections, equations = domain.one, list[Any](), list[Any](), list[Any]()
    # Powers of eta: s (1 - eta K_11) sum_n (eta x s u)^n with K_11 = (x + 1 - sigma) u, and likewise 1 - s with K_22 = (x + sigma) v.
    far = one - s
    moves = [
        [s] + [s * (x * s * u) ** (n - 1) * (x * s * u - (x + 1 - sigma) * u) for n in range(1, order + 1)],
        [s] + [-far * (x * far * v) ** (n - 1) * (x * far * v - (x + sigma) * v) for n in range(1, order + 1)],
    ]

    def term(g: Any, order: int) -> Any:
        """The coefficient of eta^order in sum p_i g(s^(i)), order >= 1: moves carry u = 1/p, v = 1/q."""
        return sum((_composed(g, s, move, order).exquo(weight) for move, weight in zip(moves, (u, v), strict=True)), start=domain.zero)

    def logarithms(order: int) -> Any:
        return -((x * s) ** order * u ** (order - 1) + (x * far) ** order * v ** (order - 1)) / order

    drift = sigma - s
    for m in range(1, order + 1):
        known = logarithms(m) + sum((term(g, m - power) for power, g in enumerate(corrections[: m - 2] if m > 1 else [], 1)), start=domain.zero)
        values.append(known.compose(s, sigma))
        if m > 1:
            corrections.append(_primitive((values[-1] - known).exquo(drift), s))
    for m, value in enumerate(values, 1):  # Poisson's equation itself, from the moves: it does not use how its solution was found
        residual = logarithms(m) + sum((term(g, m - power) for power, g in enumerate(corrections[: m - 1], 1)), start=domain.zero)
        equations.append((residual - value).as_expr())
    return _Poisson(values, corrections, equations)


def _composed(g: Any, s: Any, move: list[Any], order: int) -> Any:
    """The coefficient of eta^order in g(s + eta ...), the move given by its coefficients in eta."""
    total, power = g.ring.zero, [g.ring.one, *[g.ring.zero] * order]
    for c in _coefficients(g, s):
        total += c * power[order]
        power = [sum((power[i] * move[n - i] for i in range(n + 1)), start=g.ring.zero) for n in range(order + 1)]
    return total


def _coefficients(g: Any, s: Any) -> list[Any]:
    """g by powers of s, the first generator."""
    found = [g.ring.zero] * (g.degree(s) + 1)
    for monomial, c in g.terms():
        found[monomial[0]] += g.ring({(0, *monomial[1:]): c})
    return found


def _primitive(g: Any, s: Any) -> Any:
    """The integral over s that vanishes at 0."""
    return sum((c * s ** (n + 1) / (n + 1) for n, c in enumerate(_coefficients(g, s))), start=g.ring.zero)


def _solved(case: Case, order: int) -> tuple[list[Any], list[list[Any]], list[Any]]:
    """(a_1 .. a_m, the coefficients of g_1 .. g_(m-1) in s, identities) for this K and p."""
    (a, k), (_, b) = case.gram.tolist()
    p, q = case.draw_probabilities
    surd, square = sympy.Dummy("delta", positive=True), sympy.factor((p * a - q * b) ** 2 + 4 * p * q * k**2)
    kappa = (p * a + q * b - surd) / 2
    found = _poisson(order)
    _, x, sigma, u, v = found.values[0].ring.symbols
    meaning = {x: kappa / surd, sigma: (q * b - kappa) / surd, u: 1 / p, v: 1 / q}

    def put(polynomial: Any, power: int) -> Any:
        """In K and p, and back to the original time: as A + B delta, with delta^2 rational."""
        return _without_surd(polynomial.as_expr().subs(meaning) * surd**power, surd, square)

    def rest(value: Any, polynomial: Any, power: int) -> Any:
        """What is left of value - polynomial modulo delta^2."""
        numerator, _ = sympy.fraction(sympy.together(value - polynomial.as_expr().subs(meaning) * surd**power))
        return sympy.rem(sympy.expand(numerator), sympy.expand(surd**2 - square), surd)

    def shown(value: Any) -> Any:
        return value.subs(surd, sympy.sqrt(square))

    values = [put(value, m) for m, value in enumerate(found.values, 1)]
    corrections = [[shown(put(c, m)) for c in _coefficients(g, g.ring.gens[0])] for m, g in enumerate(found.corrections, 1)]
    same = [rest(value, polynomial, m) for m, (value, polynomial) in enumerate(zip(values, found.values, strict=True), 1)]
    eigenvalue = kappa**2 - (p * a + q * b) * kappa + p * q * (a * b - k**2)
    scaled = [((x + 1 - sigma) * u * surd - a).subs(meaning), ((x + sigma) * v * surd - b).subs(meaning)]
    return [shown(value) for value in values], corrections, [*found.equations, *map(shown, (eigenvalue, *scaled)), *same]


def _without_surd(expression: Any, surd: Any, square: Any) -> Any:
    """A + B surd with factored A and B; denominators hold nothing but powers of the surd and rational factors."""
    numerator, denominator = sympy.fraction(sympy.together(expression))
    power = sympy.Poly(denominator, surd).degree()
    below = sympy.cancel(denominator / surd**power) * square ** ((power + 1) // 2)
    parts = [sympy.Integer(0), sympy.Integer(0)]
    for (n,), c in sympy.Poly(numerator, surd).terms():
        n += power % 2
        parts[n % 2] += c * square ** (n // 2)
    even, odd = (sympy.factor(sympy.cancel(part / below)) for part in parts)
    return even + odd * surd


def _size(g: list[Any]) -> Any:
    """A bound of |g(s)| for |s| <= 8/3."""
    return sum((sympy.Abs(c) * sympy.Rational(8, 3) ** n for n, c in enumerate(g)), start=sympy.Integer(0))


def small_step_bracket(problem: Any) -> Bracket:
    """lower <= lambda <= upper for small step sizes and any number of samples (E15); the step size of the problem is ignored.

    Upper, always: log(1 - kappa (2 eta - eta^2 L))/2 with L = max K_ii, for eta <= 1/L; log(1 - eta kappa) where, after sign changes, K_ij <= 0 for i != j.
    Lower, only there and for K > 0: min_i p_i log(1 - eta kappa/p_i). kappa is the least eigenvalue of sum p_i g_i g_i^T on the span of the gradients.
    """
    case, eta = _single_draws(problem)
    p, gram = case.draw_probabilities, case.gram
    need(not gram.free_symbols or gram.rows == 2, "symbolic K with more than two samples has no compact least eigenvalue")
    kappa, polynomial = _least_eigenvalue(case)
    largest = sympy.Max(*gram.diagonal())
    conditions, valid = _conditions(case), sympy.Lt(eta, 1 / largest, evaluate=False)
    steps = [Step("E11", "E[A^T A] <= I - (2 eta - eta^2 L) M, and kappa is an eigenvalue of M = sum p_i g_i g_i^T", (polynomial,))]
    if len(case.basis[0]) < gram.rows or not signs_align(case):
        return checked(Bracket(None, sympy.log(1 - kappa * (2 * eta - eta**2 * largest)) / 2, valid, tuple(steps), conditions, eta))
    text = "after sign changes K_ij <= 0 (i != j): h(A_i r)/h(r) = 1 - eta kappa s_i/p_i h = <y, r> on the invariant cone {r >= 0}, y > 0 (Perron-Frobenius)"
    lower = sympy.Min(*(x * sympy.log(1 - eta * kappa / x) for x in p))
    return checked(Bracket(lower, sympy.log(1 - eta * kappa), valid, (Step("E15", text, (polynomial,)),), conditions, eta))


def signs_align(case: Case) -> bool:
    """Whether signs f_i = +-1 make every f_i f_j K_ij <= 0 (i != j) on a connected graph: a two-colouring, exact."""
    n = int(case.gram.rows)
    if n == 2:
        return not is_zero(case.gram[0, 1])
    signs: dict[int, int] = {0: 1}
    front = [0]
    while front:
        i = front.pop()
        for j in range(n):
            if j == i or is_zero(case.gram[i, j]):
                continue
            wanted = -signs[i] if case.gram[i, j] > 0 else signs[i]
            if j not in signs:
                front.append(j)
            if signs.setdefault(j, wanted) != wanted:
                return False
    return len(signs) == n


def large_steps(problem: Any) -> Expansion:
    """lambda = log eta + sum p_i p_j log|K_ij| - (1/eta) sum p_i p_j p_k K_jk/(K_ij K_ik) + O(eta^-2), where no K_ij vanishes (E10).

    The remainder is at most 9 K1^2/(k0^4 eta^2) for eta >= 6 K1/k0^2, K1 = max|K_ij|, k0 = min|K_ij|. The step size of the problem is ignored.
    """
    case, eta = _single_draws(problem)
    gram, p = case.gram, case.draw_probabilities
    n = gram.rows
    need(n <= MAX_SAMPLES, f"the sum over triples of {n} samples is not compact")
    need(not any(is_zero(x) for x in gram), "some K_ij vanishes, and E10 needs that none does")
    constant = sum((p[i] * p[j] * sympy.log(sympy.Abs(gram[i, j])) for i, j in product(range(n), repeat=2)), start=sympy.Integer(0))
    slope = -sum((p[i] * p[j] * p[k] * gram[j, k] / (gram[i, j] * gram[i, k]) for i, j, k in product(range(n), repeat=3)), start=sympy.Integer(0))
    first = sympy.factor(sympy.cancel(sympy.together(slope)))
    sizes = [sympy.Abs(x) for x in gram]
    high, low = sympy.Max(*sizes), sympy.Min(*sizes)
    conditions = tuple(sympy.Ne(x, 0, evaluate=False) for x in dict.fromkeys(gram) if case.assumptions.sign(x) is None)
    # After a step of sample i the residual is s (K e_i + d), and the next step j multiplies |s| by eta |K_ij + d_j|, where d = -K e_k/(eta K_ki) + O(eta^-2).
    text = "after a step of sample i the residual is s (K e_i + d), |d| <= 2 K1/(k0 eta); the next one, j, multiplies |s| by eta |K_ij + d_j|; i, j are i.i.d."
    found = sympy.log(eta) + constant + first / eta
    proof = (Step("E10", text, (slope - first,)),)
    valid = sympy.Ge(eta, 6 * high / low**2, evaluate=False)
    return checked(Expansion(found, (constant, first), -2, 9 * high**2 / low**4, valid, conditions, proof, eta))


def _single_draws(problem: Any) -> tuple[Case, Any]:
    """The case, and the symbol of its step size: the problem's own where that is a symbol, else `eta`."""
    case = Case(SymbolicProblem.of(problem))
    case.require_single_draws()
    need(len(case.indices) == case.problem.size, "a sample has no gradient")
    eta = case.optimiser.step_size if case.optimiser.step_size.is_Symbol else ETA
    parts = case.gram.free_symbols.union(*(sympy.sympify(p).free_symbols for p in case.draw_probabilities))
    need(eta not in parts, f"the Gram matrix depends on the step size {eta}")
    return case, eta


def _conditions(case: Case) -> tuple[Any, ...]:
    """K is positive definite on the span, and its off-diagonal entry does not vanish, where that is not known."""
    off = case.gram[0, 1] if case.gram.rows == 2 else sympy.Integer(1)
    return (*case.basis[1], *(() if case.assumptions.sign(off) is not None else (sympy.Ne(off, 0, evaluate=False),)))


def _least_eigenvalue(case: Case) -> tuple[Any, Any]:
    """The least nonzero eigenvalue kappa of K P, and its characteristic polynomial at kappa."""
    p = sympy.diag(*case.draw_probabilities)
    x = sympy.Dummy("x")
    polynomial = sympy.cancel((x * sympy.eye(case.gram.rows) - case.gram * p).det(method="berkowitz"))
    if case.gram.rows == 2 and len(case.basis[0]) == 2:
        (a, k), (_, b) = case.gram.tolist()
        u, v = case.draw_probabilities
        kappa = (u * a + v * b) / 2 - sympy.sqrt(sympy.factor((u * a - v * b) ** 2 + 4 * u * v * k**2)) / 2
        return kappa, polynomial.subs(x, kappa)
    need(not polynomial.free_symbols - {x}, "symbolic probabilities with more than two samples have no compact least eigenvalue")
    kappa = next(r for r in real_roots(sympy.Poly(polynomial, x)) if r != 0)
    return kappa, polynomial.subs(x, kappa)
