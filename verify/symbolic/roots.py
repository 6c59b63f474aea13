"""The largest real eigenvalue of a small matrix whose spectral radius it is (Perron-Frobenius): radicals up to degree two, algebraic numbers beyond."""

from __future__ import annotations

from typing import Any

import sympy

from .algebra import is_zero
from .assumptions import Assumptions
from .case import Refused, need
from .problem import Matrix


def largest_real_root(form: Matrix, assumptions: Assumptions) -> tuple[Any, Any]:
    """(root, characteristic polynomial at the root, which vanishes). Raises `Refused` for symbolic factors of degree above two."""
    characteristic = form.charpoly()
    x = characteristic.gen
    polynomial = sympy.factor(sympy.fraction(sympy.together(characteristic.as_expr()))[0])
    candidates: list[Any] = []
    for factor, _ in sympy.factor_list(polynomial)[1]:
        if factor.has(x):
            candidates += _real_roots(sympy.Poly(factor, x))
    candidates = [root for root in candidates if root != 0] or candidates  # the radius of a nonzero positive map of this kind is not zero
    need(candidates, "the characteristic polynomial has no root")
    numeric = all(root.is_number for root in candidates)
    root = _largest(candidates) if numeric else sympy.Max(*_undominated(candidates, assumptions))
    return root, sympy.prod([polynomial.subs(x, one) for one in (root.args if isinstance(root, sympy.Max) else (root,))])


def _real_roots(factor: Any) -> list[Any]:
    if factor.degree() == 1:
        a, b = factor.all_coeffs()
        return [sympy.cancel(-b / a)]
    if factor.degree() == 2:
        a, b, c = factor.all_coeffs()
        return [sympy.cancel(-b / (2 * a)) + sympy.sqrt(sympy.factor(sympy.cancel((b**2 - 4 * a * c) / (4 * a**2))))]
    if factor.free_symbols != {factor.gen}:
        raise Refused(f"the characteristic polynomial has an irreducible factor of degree {factor.degree()}, whose roots are not compact")
    return real_roots(factor)


def real_roots(polynomial: Any) -> list[Any]:
    """The real roots of a polynomial with rational coefficients, in ascending order (SymPy isolates them exactly). Raises `Refused` for other coefficients."""
    need(all(c.is_Rational for c in polynomial.all_coeffs()), "a polynomial of degree above two has irrational coefficients, and its roots are not compact")
    return list(sympy.real_roots(polynomial))


def _largest(numbers: list[Any]) -> Any:
    """The largest real number: decimals that are sure to 50 digits propose it, and a runner-up that they do not tell apart must be equal exactly."""
    first, *rest = sorted(numbers, key=lambda r: r.evalf(50), reverse=True)
    if rest and (first - rest[0]).evalf(50) < sympy.Float("1e-40"):
        need(is_zero(first - rest[0]), "two eigenvalues could not be told apart")
    return first


def _undominated(roots: list[Any], assumptions: Assumptions) -> list[Any]:
    """Without roots that are known to be at most another one."""
    kept: list[Any] = []
    for i, root in enumerate(roots):
        if not any(assumptions.nonnegative(other - root) and not (root == other and j > i) for j, other in enumerate(roots) if j != i):
            kept.append(root)
    return kept
