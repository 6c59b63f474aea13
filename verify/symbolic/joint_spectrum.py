"""The joint eigenvalues of commuting matrices, exactly: one element R of their span separates them, and each A_s is a polynomial q_s(R) up to nilpotents.

With the factors f^k of the characteristic polynomial of R over the field of the entries, the space is the direct sum of the W = ker f(R)^k, which every A_s
leaves invariant. On W the joint eigenvalues are (q_s(alpha))_s, alpha a root of f. q_s is found from traces: tr(R^j A_s on W) = k sum_i c_i Tr(alpha^(i+j)).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.polys.matrices import DomainMatrix

from .assumptions import Assumptions
from .case import need
from .field import Field
from .growth import compact, half_log, maximum, mean_log
from .moduli import largest_mean_log
from .problem import Matrix

MAX_ROOTS = 6
_X = sympy.Dummy("x")


@dataclass(frozen=True)
class Component:
    """ker f(R)^k: the factor f (monic, leading coefficient first), k, the q_s (leading coefficient first), a basis as columns, all as expressions."""

    factor: tuple[Any, ...]
    multiplicity: int
    polynomials: tuple[tuple[Any, ...], ...]
    basis: Matrix


@dataclass(frozen=True)
class JointSpectrum:
    """R = sum_s coefficients_s A_s and its components; `rational` where the entries are rational numbers."""

    steps: tuple[Matrix, ...]
    coefficients: tuple[int, ...]
    components: tuple[Component, ...]
    rational: bool

    @property
    def bases(self) -> Matrix:
        """The bases of the W side by side."""
        return sympy.Matrix.hstack(*(sympy.Matrix(c.basis) for c in self.components))

    @property
    def separating(self) -> Matrix:
        """R."""
        return sum((c * a for c, a in zip(self.coefficients, self.steps, strict=True) if c), start=sympy.zeros(*self.steps[0].shape))

    def identities(self) -> tuple[Any, ...]:
        """det(x - R) = prod f^k, f(R)^k = 0 on W, and the A_s - q_s(R) are nilpotent there."""
        r = self.separating
        product = sympy.prod([_value(c.factor, _X) ** c.multiplicity for c in self.components])
        found = [(_X * sympy.eye(r.rows) - r).det(method="berkowitz") - product]
        for component in self.components if len(self.steps) > 1 else ():
            if component.basis.cols < r.rows:
                image = component.basis
                for _ in range(component.multiplicity):
                    image = _applied(component.factor, r, image)
                found += list(image)
            for a, q in zip(self.steps, component.polynomials, strict=True):
                if a == r:
                    continue
                image = component.basis
                for _ in range(component.multiplicity):  # the k-th power vanishes: dim W = k deg f
                    image = a * image - _applied(q, r, image)
                found += list(image)
        return tuple(found)

    def growth(self, probabilities: Sequence[Any], assumptions: Assumptions) -> Any:
        """max over the joint eigenvalues of sum_s p_s log|alpha_s|."""
        return maximum([self._component_growth(c, probabilities, assumptions) for c in self.components], assumptions)

    def _component_growth(self, component: Component, probabilities: Sequence[Any], assumptions: Assumptions) -> Any:
        degree = len(component.factor) - 1
        if degree == 1:
            alpha = -component.factor[1]
            return mean_log((p, _value(q, alpha)) for p, q in zip(probabilities, component.polynomials, strict=True))
        if degree == 2:
            return self._quadratic_growth(component, probabilities, assumptions)
        need(degree <= MAX_ROOTS, f"an irreducible factor has degree {degree}")
        return maximum(largest_mean_log(component.factor, component.polynomials, probabilities), assumptions)

    def _quadratic_growth(self, component: Component, probabilities: Sequence[Any], assumptions: Assumptions) -> Any:
        _, b, n = component.factor
        t = -b
        discriminant = compact(t**2 - 4 * n)
        lines = [(q[-2] if len(q) > 1 else sympy.Integer(0), q[-1]) for q in component.polynomials]
        norms = [compact(c0**2 + c0 * c1 * t + c1**2 * n) for c1, c0 in lines]  # |q(alpha)|^2 for a complex pair
        conjugate = mean_log(half_log(p, x) for p, x in zip(probabilities, norms, strict=True))
        if assumptions.nonnegative(-discriminant):
            return conjugate
        root = sympy.sqrt(discriminant)
        if len(self.steps) == 1 and lines == [(1, 0)]:  # the larger of |t + root|/2 and |t - root|/2
            split = probabilities[0] * sympy.log(compact((sympy.Abs(t) + root) / 2))
        else:
            half = _any_root(discriminant) / 2
            ends = [compact(t / 2) + half, compact(t / 2) - half]
            split = maximum([mean_log((p, sympy.expand(c0 + c1 * e)) for p, (c1, c0) in zip(probabilities, lines, strict=True)) for e in ends], assumptions)
        if assumptions.nonnegative(discriminant):
            return split
        return sympy.Piecewise((split, discriminant >= 0), (conjugate, True))


def joint_spectrum(steps: Sequence[Matrix]) -> JointSpectrum:
    """The joint eigenvalues of commuting matrices. Raises `Refused` where none of a few combinations separates them in compact form."""
    field = Field(x for a in steps for x in a)
    matrices = [field.matrix(a) for a in steps]
    best: list[tuple[int, tuple[int, ...], list[Any]]] = []
    for coefficients in _combinations(len(steps)):
        r = _combined(coefficients, matrices)
        probe = field.probe([r])
        if probe is not None and len(probe[0].factors(probe[1][0])[-1][0]) > 3:
            continue  # an irreducible factor of degree above two at one point is there in general
        found = _separated(field, r, matrices)
        if found is not None:
            best.append((max(len(f) for f, *_ in found), coefficients, found))
            if best[-1][0] <= 3:
                break
    need(best, "no combination of the steps separates their joint eigenvalues by factors of degree at most two, whose roots are compact")
    _, coefficients, found = min(best, key=lambda entry: entry[0])

    def shown(elements: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(field.expression(x) for x in elements)

    components = tuple(Component(shown(f), k, tuple(map(shown, qs)), field.symbolic(basis)) for f, k, qs, basis in found)
    return JointSpectrum(tuple(steps), coefficients, components, field.rational)


def _combinations(count: int) -> Iterator[tuple[int, ...]]:
    for s in range(count):
        yield tuple(int(r == s) for r in range(count))
    if count > 1:
        for base in (1, 2, 3, -2):
            yield tuple((s + 1) if base == 1 else base**s for s in range(count))


def _combined(coefficients: Sequence[int], matrices: Sequence[Any]) -> Any:
    terms = [m * m.domain.convert(c) for c, m in zip(coefficients, matrices, strict=True) if c]
    return sum(terms[1:], start=terms[0])


def _separated(field: Field, r: Any, matrices: Sequence[Any]) -> list[Any] | None:
    """[(f, k, q_s, basis of ker f(R)^k as columns)], or None where some A_s is not q_s(R) up to nilpotents or f has no compact roots."""
    d = r.shape[0]
    parts = []
    for factor, multiplicity in field.factors(r):
        if len(factor) > 3 and not field.rational:
            return None
        power = field.evaluate(factor, r)
        kernel = field.kernel(_power(power, multiplicity))
        parts.append((factor, multiplicity, kernel))
    columns = field.of([row for *_, kernel in parts for row in kernel], d).transpose()
    inverse = columns.to_field().inv()
    found, start = [], 0
    for factor, multiplicity, kernel in parts:
        span = list(range(start, start + len(kernel)))
        start += len(kernel)
        inside = [inverse.extract(span, list(range(d))) * m * columns.extract(list(range(d)), span) for m in (r, *matrices)]
        polynomials = []
        for a in inside[1:]:
            q = _polynomial(field, factor, multiplicity, inside[0], a)
            if not _power(a - field.evaluate(q, inside[0]), multiplicity).is_zero_matrix:
                return None
            polynomials.append(q)
        found.append((factor, multiplicity, polynomials, columns.extract(list(range(d)), span)))
    return found


def _polynomial(field: Field, factor: list[Any], multiplicity: int, r: Any, a: Any) -> list[Any]:
    """q with tr(R^j A) = k Tr(alpha^j q(alpha)) for j < deg f: the trace form of a separable extension is nondegenerate."""
    degree = len(factor) - 1
    companion = DomainMatrix.zeros((degree, degree), field.domain).to_dense().to_list()
    for i in range(degree):
        companion[i][degree - 1] = -factor[degree - i]
        if i:
            companion[i][i - 1] = field.domain.one
    c = field.of(companion)
    powers = [DomainMatrix.eye((degree, degree), field.domain).to_sparse()]
    while len(powers) < 2 * degree - 1:
        powers.append(powers[-1] * c)
    form = field.of([[_trace(powers[i + j]) for j in range(degree)] for i in range(degree)])
    image, right = a, []
    for _ in range(degree):
        right.append([_trace(image) / field.domain.convert(multiplicity)])
        image = r * image
    solution = form.to_field().inv() * field.of(right)
    return [row[0] for row in reversed(solution.to_list())]


def _trace(matrix: Any) -> Any:
    rows = matrix.to_list()
    return sum((rows[i][i] for i in range(len(rows))), start=matrix.domain.zero)


def _power(matrix: Any, exponent: int) -> Any:
    found = matrix
    for _ in range(exponent - 1):
        found = found * matrix
    return found


def _any_root(square: Any) -> Any:
    """One of the two square roots, without the modulus that SymPy puts around real symbols."""
    inside, outside = sympy.Integer(1), sympy.Integer(1)
    numerator, denominator = sympy.fraction(sympy.together(square))
    for part, sign in ((numerator, 1), (denominator, -1)):
        constant, factors = sympy.factor_list(part) if part.free_symbols else (part, [])
        inside *= constant**sign
        for factor, power in factors:
            outside *= factor ** (sign * (power // 2))
            inside *= factor ** (sign * (power % 2))
    return outside * sympy.sqrt(inside)


def _value(polynomial: Sequence[Any], x: Any) -> Any:
    found = sympy.Integer(0)
    for coefficient in polynomial:
        found = found * x + coefficient
    return found


def _applied(polynomial: Sequence[Any], matrix: Matrix, vectors: Matrix) -> Matrix:
    found = sympy.zeros(*vectors.shape)
    for coefficient in polynomial:
        found = matrix * found + coefficient * vectors
    return found

