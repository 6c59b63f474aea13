"""The mean-square threshold eta_ms in closed form (E11): E|r_n|^2 -> 0 iff eta < eta_ms.

With M = sum_i p_i g_i g_i^T let L(X) = M X + X M and Q(X) = (1 - f) M X M + f sum_i p_i g_i g_i^T X g_i g_i^T, where f = 1/B with replacement and
f = (N - B)/(B (N - 1)) without: E[A X A] = X - eta L(X) + eta^2 Q(X).

*Generalised eigenvalue, any batch* [MM24]: eta_ms = 1/rho(L^-1 Q). Proof. L^-1(X) = int_0^inf exp(-tM) X exp(-tM) dt and Q preserve the positive
semidefinite matrices, so W = L^-1 Q does. If eta rho(W) < 1, then Y = (1 - eta W)^-1 L^-1(I) = sum (eta W)^n L^-1(I) is positive definite and
E[A Y A] - Y = -eta L((1 - eta W) Y) = -eta I, so rho(E[A x A]) < 1. Conversely, if rho < 1: Y = sum_n E[A^n A^n^T] is positive definite and E[A Y A] - Y = -I,
hence (1 - eta W) Y = L^-1(I)/eta is positive definite, eta W Y < Y, and eta rho(W) < 1.

*Batch 1, an N x N form*: eta_ms = 1/rho(S), S_ij = p_j int_0^inf (g_i^T exp(-tM) g_j)^2 dt. Proof. f = 1, and Q = R E with E(X)_i = g_i^T X g_i and
R(q) = sum_j p_j q_j g_j g_j^T. The nonzero eigenvalues of L^-1 R E are those of E L^-1 R, which is S. For uniform p this is 2/rho(T) with
T_ij = 2 int (K exp(-tK))_ij^2 dt. In residual coordinates R_j = (g_a^T L^-1(g_j g_j^T) g_b)_ab solves K P R_j + R_j P K = K e_j e_j^T K, so S is rational in K
and p: S_ij = p_j (R_j)_ii.
"""

from __future__ import annotations

from typing import Any

import sympy

from .algebra import all_zero, is_zero
from .case import Case, need
from .problem import Matrix, SymbolicProblem
from .result import Exact, Step, checked
from .roots import largest_real_root

MAX_SYMBOLIC, MAX_NUMERIC = 3, 6


def mean_square_threshold(problem: Any) -> Exact:
    """eta_ms of an SGD problem (the step size of the problem is ignored; the batch may be a symbol), by the N x N form for batch 1, else by the
    generalised eigenvalue. Raises `Refused` with the reason where no compact closed form is known, for example symbolic N >= 3."""
    symbolic = SymbolicProblem.of(problem)
    case = Case(symbolic)
    o = case.optimiser
    need(o.kind == "sgd" and o.plain and symbolic.population is None, "eta_ms is about SGD on a data set, without momentum or weight decay")
    form = single_draw_form(case) if case.single_draws or symbolic.size == 1 else batch_form(case)
    value, polynomial = largest_real_root(form, case.assumptions)
    fact = "the N x N form S" if form.rows == len(case.indices) and case.single_draws else "the generalised eigenvalue of (Q, L)"
    step = Step("E11", f"eta_ms = 1/rho for {fact}; its spectral radius is its largest real eigenvalue (Perron-Frobenius, Krein-Rutman)", (polynomial,))
    expression = sympy.radsimp(1 / value) if value.is_number else 1 / sympy.together(value)
    return checked(Exact("eta_ms", sympy.sympify(expression), case.coordinates[2], (step,), "mean square", symbolic))


def single_draw_form(case: Case) -> Matrix:
    """S, N x N with nonnegative entries, for batch 1: eta_ms = 1/rho(S)."""
    p, gram, basis = case.draw_probabilities, case.gram, case.basis[0]
    need(len(basis) <= (MAX_NUMERIC if _numeric(case) else MAX_SYMBOLIC), f"S is rational in K, but for {len(basis)} dimensions not compact")
    pulls, dual, _ = case.coordinates
    mean = sum((x * g for x, g in zip(p, pulls, strict=True)), start=sympy.zeros(dual.rows, dual.rows))
    columns, metric = [], dual.inv()  # g_i^T X g_i is the trace of G_i X W^-1 in coordinates with the dual form W
    for j in range(gram.rows):
        source = pulls[j] * dual  # g_j g_j^T in these coordinates
        solution = lyapunov_solution(mean, source)
        columns.append([sympy.cancel(p[j] * (pulls[i] * solution * metric).trace()) for i in range(gram.rows)])
    return sympy.ImmutableDenseMatrix(gram.rows, gram.rows, lambda i, j: columns[j][i])


def batch_form(case: Case) -> Matrix:
    """The matrix of L^-1 Q on symmetric matrices, d(d+1)/2 square, for any batch scheme."""
    pulls, dual, _ = case.coordinates
    d, o, n = dual.rows, case.optimiser, case.problem.size
    need(d <= (3 if _numeric(case) else 2), f"the generalised eigenvalue problem has {d * (d + 1) // 2} dimensions, which is not compact")
    f = 1 / o.batch if o.replacement else (n - o.batch) / (o.batch * (n - 1)) if n > 1 else sympy.Integer(0)
    mean = sum((x * g for x, g in zip(case.draw_probabilities, pulls, strict=True)), start=sympy.zeros(d, d))
    places = [(a, b) for a in range(d) for b in range(a, d)]
    columns = []
    for a, b in places:
        unit = sympy.zeros(d, d)
        unit[a, b] = unit[b, a] = 1
        image = (1 - f) * mean * unit * mean.T
        for x, g in zip(case.draw_probabilities, pulls, strict=True):
            image += f * x * g * unit * g.T
        solution = lyapunov_solution(mean, image)
        columns.append([sympy.cancel(solution[i, j]) for i, j in places])
    return sympy.ImmutableDenseMatrix(len(places), len(places), lambda i, j: columns[j][i])


def lyapunov_solution(mean: Matrix, source: Matrix) -> Matrix:
    """The symmetric X with mean X + X mean^T = source (mean is similar to a positive definite matrix, so X is unique)."""
    d = mean.rows
    unknowns = {(a, b): sympy.Dummy(f"x{a}{b}") for a in range(d) for b in range(a, d)}
    x = sympy.Matrix(d, d, lambda a, b: unknowns[min(a, b), max(a, b)])
    residual = mean * x + x * mean.T - source
    (solution,) = sympy.linsolve([residual[a, b] for a, b in unknowns], list(unknowns.values()))
    found = sympy.ImmutableDenseMatrix(x.subs(dict(zip(unknowns.values(), solution, strict=True))).applyfunc(sympy.cancel))
    need(all_zero(mean * found + found * mean.T - source), "the Lyapunov equation was not solved")
    return found


def _numeric(case: Case) -> bool:
    return not case.gram.free_symbols and not any(sympy.sympify(p).free_symbols for p in case.draw_probabilities) and not is_zero(case.gram.trace())
