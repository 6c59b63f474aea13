"""Moduli of algebraic numbers q(alpha), alpha a root of a rational polynomial f, as real algebraic numbers, told apart by balls.

|q(alpha)| for a real alpha is the root of the characteristic polynomial of q(C), C the companion matrix of f; for a complex alpha, |q(alpha)|^2 is one of
the products of two eigenvalues, a root of the characteristic polynomial of the second compound of q(C). The root is identified where exactly one of the
isolated roots meets the ball of the number. Equal moduli get equal names: the minimal polynomial of |q(alpha)|^2 and the number of its real root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import sympy
from sympy.polys.matrices import DomainMatrix

from ..balls import ends
from .case import Refused
from .growth import MINUS_INFINITY

PRECISIONS = (128, 512, 2048)
_X = sympy.Symbol("x")
Name = tuple[tuple[int, ...], int]


@dataclass(frozen=True)
class Modulus:
    """|q(alpha)|: a name for comparison, log of it as an expression, a ball."""

    name: Name
    logarithm: Any
    ball: Any


def largest_mean_log(factor: Sequence[Any], polynomials: Sequence[Sequence[Any]], probabilities: Sequence[Any]) -> list[Any]:
    """The values sum_s p_s log|q_s(alpha)| over the roots alpha of an irreducible rational f of degree at least 3 that no other one is known to exceed.

    All polynomials with their leading coefficient first. Raises `Refused` where two numbers cannot be told apart.
    """
    from flint import arb, ctx, fmpq

    live = [(p, q) for p, q in zip(probabilities, polynomials, strict=True)]
    if any(all(c == 0 for c in q) for _, q in live):
        return [MINUS_INFINITY]  # q(alpha) = 0 only for q = 0, as deg q < deg f
    for precision in PRECISIONS:
        with ctx.workprec(precision):
            rows = _moduli(factor, [q for _, q in live])
            if rows is None:
                continue
            distinct = list({tuple(m.name for m in row): row for row in rows}.values())
            expressions = [sum((p * m.logarithm for (p, _), m in zip(live, row, strict=True)), start=sympy.Integer(0)) for row in distinct]
            if not all(p.is_Rational for p, _ in live):
                return expressions
            balls = [sum((arb(fmpq(int(p.p), int(p.q))) * m.ball.log() for (p, _), m in zip(live, row, strict=True)), start=arb(0)) for row in distinct]
            return [e for e, b in zip(expressions, balls, strict=True) if not any(other > b for other in balls)]
    raise Refused("two eigenvalues are too close to be told apart")


def _moduli(factor: Sequence[Any], polynomials: Sequence[Sequence[Any]]) -> list[list[Modulus]] | None:
    """For one root of each conjugate pair the moduli of the q_s, or None where the precision does not suffice."""
    candidates = [(_characteristic(m := _at_companion(q, factor)), _characteristic(m**2), _characteristic(_compound(m))) for q in polynomials]
    rows = []
    for alpha in _roots(factor):
        if alpha.imag < 0:
            continue
        row = []
        for q, (plain, squares, products) in zip(polynomials, candidates, strict=True):
            beta = _evaluated(q, alpha)
            square = beta.real * beta.real + beta.imag * beta.imag
            found = _located(squares if alpha.imag == 0 else products, square)
            if found is None or not square > 0:
                return None
            logarithm = sympy.log(found[1]) / 2
            if alpha.imag == 0:
                root = _located(plain, beta.real)
                if root is None:
                    return None
                logarithm = sympy.log(root[1] if beta.real > 0 else -root[1])
            row.append(Modulus(found[0], logarithm, square.sqrt()))
        rows.append(row)
    return rows


def _located(factors: list[tuple[int, ...]], ball: Any) -> tuple[Name, Any] | None:
    """The only real root of the factors that meets the ball: its name and its expression."""
    met = [(f, k) for f in factors for k, root in enumerate(_real_roots(f)) if root.overlaps(ball)]
    if len(met) != 1:
        return None
    coefficients, k = met[0]
    if len(coefficients) == 2:
        return met[0], sympy.Rational(-coefficients[1], coefficients[0])
    return met[0], sympy.CRootOf(sympy.Poly(coefficients, _X), k)


def _roots(coefficients: Sequence[Any]) -> list[Any]:
    from flint import fmpz_poly

    integers = sympy.Poly(list(coefficients), _X, domain=sympy.QQ).clear_denoms(convert=True)[1].all_coeffs()
    found: list[Any] = fmpz_poly([int(c) for c in reversed(integers)]).complex_roots()
    return [root for root, _ in found]


def _real_roots(coefficients: Sequence[Any]) -> list[Any]:
    """In ascending order: their balls are disjoint."""
    real = [root.real for root in _roots(coefficients) if root.imag == 0]
    return sorted(real, key=lambda x: ends(x)[0])


def _evaluated(polynomial: Sequence[Any], alpha: Any) -> Any:
    from flint import acb, arb, fmpq

    found = acb(0)
    for c in polynomial:
        found = found * alpha + acb(arb(fmpq(int(c.p), int(c.q))))
    return found


def _at_companion(polynomial: Sequence[Any], factor: Sequence[Any]) -> Any:
    n = len(factor) - 1
    rows = [[sympy.QQ(0)] * n for _ in range(n)]
    for i in range(n):
        rows[i][n - 1] = sympy.QQ.convert(-factor[n - i])
        if i:
            rows[i][i - 1] = sympy.QQ(1)
    companion, one = DomainMatrix(rows, (n, n), sympy.QQ), DomainMatrix.eye(n, sympy.QQ).to_dense()
    found = one * sympy.QQ(0)
    for c in polynomial:
        found = found * companion + one * sympy.QQ.convert(c)
    return found


def _compound(matrix: Any) -> Any:
    """The second compound: its eigenvalues are the products of two eigenvalues."""
    rows = matrix.to_list()
    pairs = list(combinations(range(len(rows)), 2))
    minors = [[rows[a][c] * rows[b][d] - rows[a][d] * rows[b][c] for c, d in pairs] for a, b in pairs]
    return DomainMatrix(minors, (len(pairs), len(pairs)), sympy.QQ)


def _characteristic(matrix: Any) -> list[tuple[int, ...]]:
    """The irreducible factors of the characteristic polynomial, primitive with integer coefficients."""
    polynomial = sympy.Poly(matrix.charpoly(), _X, domain=sympy.QQ)
    return [tuple(int(c) for c in f.clear_denoms(convert=True)[1].primitive()[1].all_coeffs()) for f, _ in polynomial.factor_list()[1]]
