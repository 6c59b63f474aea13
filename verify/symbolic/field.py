"""Exact linear algebra over the field that the entries of a family generate: rational functions of its symbols over a number field.

An angle enters by the tangent of half of it and a root of a symbol by a new symbol, so that sums of squares and the like are decided by arithmetic. Eigenvalues
and invariant subspaces are then found by factoring characteristic polynomials, in the field itself and not in floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from itertools import combinations
from typing import Any

import sympy
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError

from .case import Refused, need
from .problem import Matrix

MAX_SYMBOLS, MAX_RADICALS, MAX_DEGREE, MAX_OPERATIONS = 8, 6, 4, 800
_X = sympy.Dummy("x")


class Field:
    """The smallest such field with the given expressions. Raises `Refused` where they are not algebraic over their symbols, angles apart."""

    def __init__(self, expressions: Iterable[Any]) -> None:
        entries = [sympy.sympify(e) for e in dict.fromkeys(expressions)]
        need(sum(sympy.count_ops(e) for e in entries) <= MAX_OPERATIONS, "the entries of the steps are too long for exact linear algebra")
        self._angles: dict[Any, Any] = {}
        self._roots: dict[Any, tuple[Any, int]] = {}
        self._known: dict[Any, Any] = {}
        entries = [sympy.expand_trig(_without_tangents(e)) for e in entries]
        self._choose_angles(entries)
        turns = [f for e in entries for f in e.atoms(sympy.sin, sympy.cos) if f.is_number]
        need(all((f.args[0] / sympy.pi).is_Rational for f in turns), "an angle is not a rational multiple of pi")
        # every such cosine is a polynomial in cos(pi/turn), and every sine too if turn is even
        self._turn = int(sympy.ilcm(1, *(2 if isinstance(f, sympy.sin) else 1 for f in turns), *((f.args[0] / sympy.pi).q for f in turns), 1))
        algebraic = [self._rational(e) for e in entries]
        symbols = sorted(set[Any]().union(*(e.free_symbols for e in algebraic)), key=str)
        need(len(symbols) <= MAX_SYMBOLS, f"the steps have more than {MAX_SYMBOLS} symbols")
        base = _number_field(algebraic)
        self.domain = base.frac_field(*symbols) if symbols else base
        self.rational = bool(self.domain.is_QQ)
        for e in algebraic:
            self._converted(e)

    def _choose_angles(self, entries: list[Any]) -> None:
        arguments = sorted({f.args[0] for e in entries for f in e.atoms(sympy.sin, sympy.cos) if f.args[0].free_symbols}, key=str)
        for one, other in combinations(arguments, 2):
            need(not sympy.cancel(one / other).is_number, f"the angles {one} and {other} are commensurable; write the family in the smaller one")
        self._angles = {angle: sympy.Dummy(f"t{i}", real=True) for i, angle in enumerate(arguments)}

    def _rational(self, expression: Any) -> Any:
        expression = sympy.expand_trig(_without_tangents(sympy.sympify(expression)))
        for angle, t in self._angles.items():
            expression = expression.subs({sympy.sin(angle): 2 * t / (1 + t**2), sympy.cos(angle): (1 - t**2) / (1 + t**2)})
        expression = expression.replace(lambda f: isinstance(f, (sympy.sin, sympy.cos)) and f.is_number, self._chebyshev)
        for power in sorted((p for p in expression.atoms(sympy.Pow) if p.free_symbols and not p.exp.is_Integer), key=str):
            need(power.exp.is_Rational and power.base.is_Symbol and power.base.is_positive, f"the entry {power} is not a rational function")
            root, degree = self._roots.get(power.base, (sympy.Dummy(f"root_{power.base}", positive=True), 1))
            self._roots[power.base] = (root, int(sympy.ilcm(degree, power.exp.q)))
        return expression.subs({base: root**degree for base, (root, degree) in self._roots.items()})

    def _chebyshev(self, f: Any) -> Any:
        """cos(k pi/n) = T_k(cos(pi/n)), and the sine is the cosine of the complement."""
        k = f.args[0] / sympy.pi * self._turn
        k = k if isinstance(f, sympy.cos) else sympy.Rational(self._turn, 2) - k
        need(k.is_Integer, f"{f} lies outside of the field")
        return sympy.expand(sympy.chebyshevt(abs(int(k)) % (2 * self._turn), sympy.cos(sympy.pi / self._turn)))

    def _converted(self, algebraic: Any) -> Any:
        try:
            return self._number(algebraic) if self.domain.is_Algebraic else self.domain.from_sympy(algebraic)
        except (BasePolynomialError, NotImplementedError, ValueError, ZeroDivisionError):
            raise Refused(f"the entry {algebraic} is not an algebraic function of the symbols") from None

    def _number(self, number: Any) -> Any:
        """Sums, products and powers of roots and cosines, which are looked up once (SymPy would find a minimal polynomial for every number)."""
        if number.is_Add or number.is_Mul:
            found = self.domain.zero if number.is_Add else self.domain.one
            for x in number.args:
                found = found + self._number(x) if number.is_Add else found * self._number(x)
            return found
        if number.is_Pow and number.exp.is_Integer:
            base = self._number(number.base)
            return base ** int(number.exp) if number.exp > 0 else self.domain.one / base ** int(-number.exp)
        if number.is_Rational:
            return self.domain.from_sympy(number)
        if number not in self._known:
            self._known[number] = self.domain.from_sympy(number)
        return self._known[number]

    def element(self, expression: Any) -> Any:
        """An expression as an element of the field."""
        return self._converted(self._rational(expression))

    def expression(self, element: Any) -> Any:
        """An element as a SymPy expression in the original symbols."""
        found = self.domain.to_sympy(element)
        for angle, t in self._angles.items():
            if found.has(t):
                found = _circular(found, t, angle)
        return found.subs({root: base ** sympy.Rational(1, degree) for base, (root, degree) in self._roots.items()}, simultaneous=True)

    def matrix(self, matrix: Matrix) -> Any:
        """A SymPy matrix as a `DomainMatrix`."""
        return self.of([[self.element(x) for x in row] for row in matrix.tolist()])

    def of(self, rows: Sequence[Sequence[Any]], columns: int | None = None) -> Any:
        """A `DomainMatrix` from rows of elements."""
        shape = (len(rows), len(rows[0]) if columns is None else columns)
        return DomainMatrix([list(row) for row in rows], shape, self.domain).to_sparse()

    def symbolic(self, matrix: Any) -> Matrix:
        """A `DomainMatrix` as a SymPy matrix."""
        return sympy.ImmutableDenseMatrix(*matrix.shape, [self.expression(x) for row in matrix.to_list() for x in row])

    def probe(self, matrices: Sequence[Any]) -> tuple[Field, list[Any]] | None:
        """The same matrices at one rational point of the symbols: what is not there is not there in general. None without symbols or at a pole."""
        if not self.domain.is_FractionField:
            return None
        base = self.domain.domain.get_field()
        point = [base.convert(sympy.QQ(sympy.prime(2 * i + 5), sympy.prime(2 * i + 8))) for i in range(self.domain.ngens)]

        def value(element: Any) -> Any:
            return base.convert(element.numer(*point)) / base.convert(element.denom(*point))

        special = copy(self)
        special.domain = base
        try:
            return special, [special.of([[value(x) for x in row] for row in m.to_list()], m.shape[1]) for m in matrices]
        except ZeroDivisionError:
            return None

    def factors(self, matrix: Any) -> list[tuple[list[Any], int]]:
        """The monic irreducible factors of the characteristic polynomial over the field, leading coefficient first, with multiplicities."""
        slow = self.domain.is_FractionField and self.domain.domain.is_Algebraic and (self.domain.ngens > 1 or self.domain.domain.mod.degree() > 2)
        need(matrix.shape[0] == 2 or not slow, "factoring over a field with both irrational numbers and several symbols takes too long")
        polynomial = sympy.Poly.from_list(matrix.to_dense().charpoly(), _X, domain=self.domain)
        found = []
        try:
            for factor, power in polynomial.factor_list()[1]:
                found.append(([self.domain.convert(c) for c in factor.monic().rep.to_list()], int(power)))
        except (BasePolynomialError, NotImplementedError):
            raise Refused("the characteristic polynomial could not be factored") from None
        return sorted(found, key=lambda pair: len(pair[0]))

    def evaluate(self, polynomial: Sequence[Any], matrix: Any) -> Any:
        """A polynomial (leading coefficient first) of a square matrix."""
        one = DomainMatrix.eye(matrix.shape, self.domain).to_sparse()
        found = one * polynomial[0]
        for coefficient in polynomial[1:]:
            found = found * matrix + one * coefficient
        return found

    def kernel(self, matrix: Any) -> list[list[Any]]:
        """A basis of {v: matrix v = 0}, each vector normalised."""
        basis = matrix.nullspace()
        return [self.normalised(row) for row in basis.to_list()] if basis.shape[0] else []

    def normalised(self, vector: Sequence[Any]) -> list[Any]:
        """The multiple of a nonzero vector whose first nonzero entry is one: equal for equal lines."""
        scale = self.domain.one / next(x for x in vector if x)
        return [self._canonical(x * scale) for x in vector]

    def _canonical(self, element: Any) -> Any:
        """The same fraction with a monic denominator: over number fields SymPy cancels common factors, but leaves units."""
        if not (self.domain.is_FractionField and self.domain.domain.is_Algebraic):
            return element
        unit = self.domain.domain.one / element.denom.LC
        return element.raw_new(element.numer * unit, element.denom * unit)


class Echelon:
    """A growing set of independent vectors over a field."""

    def __init__(self, domain: Any) -> None:
        self.domain = domain
        self.rows: list[tuple[int, list[Any]]] = []

    def add(self, vector: Sequence[Any]) -> bool:
        """Whether the vector was independent of those before it; it is kept if so."""
        rest = list(vector)
        for pivot, row in self.rows:
            if rest[pivot]:
                factor = rest[pivot]
                rest = [x - factor * y for x, y in zip(rest, row, strict=True)]
        if not any(rest):
            return False
        pivot = next(k for k, x in enumerate(rest) if x)
        scale = self.domain.one / rest[pivot]
        self.rows.append((pivot, [x * scale for x in rest]))
        return True


def without_denominators(vector: Matrix) -> tuple[Matrix, Any]:
    """(m v, m): a multiple of a column whose entries are polynomials in the symbols, whole numbers where they are rational."""
    common: Any = sympy.Integer(1)
    for x in vector:
        below = sympy.fraction(sympy.together(x))[1]
        if below.free_symbols or below.is_Integer:
            try:
                common = sympy.lcm(common, below)
            except (BasePolynomialError, NotImplementedError):
                common *= below
    return (vector * common).applyfunc(sympy.cancel), common


def times(matrix: Sequence[Sequence[Any]], vector: Sequence[Any], zero: Any) -> list[Any]:
    """matrix @ vector in plain lists of elements."""
    return [sum((a * x for a, x in zip(row, vector, strict=True) if a and x), start=zero) for row in matrix]


def _without_tangents(expression: Any) -> Any:
    return expression.replace(sympy.tan, lambda x: sympy.sin(x) / sympy.cos(x))


def _number_field(expressions: list[Any]) -> Any:
    """Q with the roots and cosines of numbers in the expressions adjoined."""
    numbers = set[Any]()
    for e in map(sympy.expand, expressions):
        need(not e.subs(dict.fromkeys(e.atoms(sympy.cos), 1)).atoms(sympy.NumberSymbol), f"the entry {e} is not algebraic")
        numbers |= {p for p in e.atoms(sympy.Pow) if p.is_number and not p.exp.is_Integer}
        numbers |= {f for f in e.atoms(sympy.Function) if f.is_number}
    generators = sorted(numbers, key=lambda n: (sympy.count_ops(n), str(n)))
    need(len(generators) <= MAX_RADICALS, f"the steps have more than {MAX_RADICALS} different radicals")
    field = sympy.QQ
    for k in range(1, len(generators) + 1):
        try:
            field = sympy.QQ.algebraic_field(*generators[:k])
        except (BasePolynomialError, NotImplementedError):
            raise Refused("the entries of the steps are not algebraic numbers") from None
        need(field.mod.degree() <= MAX_DEGREE, f"the entries generate a number field of degree {field.mod.degree()} or more")
    return field


def _circular(expression: Any, t: Any, angle: Any) -> Any:
    """A rational function of t = tan(angle/2) as (A(c) + B(c) s)/D(c), c and s its cosine and sine: t = s/(1 + c), t^2 = (1 - c)/(1 + c)."""
    c, s = sympy.Dummy("c", real=True), sympy.Dummy("s", real=True)
    numerator, denominator = sympy.fraction(sympy.cancel(expression))
    halves = []
    power = max(sympy.degree(numerator, t), sympy.degree(denominator, t)) // 2 + 1
    for part in (numerator, denominator):
        even = odd = sympy.Integer(0)
        for (k,), coefficient in sympy.Poly(part, t).terms():
            if k % 2:
                odd += coefficient * (1 - c) ** (k // 2) * (1 + c) ** (power - k // 2 - 1)
            else:
                even += coefficient * (1 - c) ** (k // 2) * (1 + c) ** (power - k // 2)
        halves.append((even, odd))
    (n0, n1), (d0, d1) = halves
    bottom = d0**2 - d1**2 * (1 - c**2)
    found = sympy.cancel((n0 * d0 - n1 * d1 * (1 - c**2)) / bottom) + s * sympy.cancel((n1 * d0 - n0 * d1) / bottom)
    return sympy.factor(sympy.together(found)).subs({c: sympy.cos(angle), s: sympy.sin(angle)})
