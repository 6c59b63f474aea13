"""Eigenvalues of one block of K in closed form, each with the identities that prove it: the parts from which `spectra` is put together.

Every finder takes a symmetric matrix (positive semidefinite for the values of its symbols) and gives a `Part`, or None where the structure is not there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy

from ..algebra import all_zero, is_zero
from ..case import need
from ..problem import Matrix
from ..result import Step

T = sympy.Dummy("t", real=True)  # the variable of characteristic polynomials
W = sympy.Dummy("w")  # a root of unity
MAX_RATIONAL, MAX_SYMBOLIC, MAX_OPERATIONS, MAX_CIRCULANT, MAX_FACTORED = 6, 4, 300, 60, 4
FACT = "E2"


@dataclass(frozen=True)
class Eigenvalue:
    """kappa, not identically zero; `witness` is positive exactly where kappa is (kappa itself, or a simpler expression such as a determinant)."""

    value: Any
    witness: Any


@dataclass(frozen=True)
class Part:
    """Eigenvalues of a block that do not vanish identically, each once; `ascending` if in this order for all values of the symbols.

    `defined` are expressions that must not vanish for the formulas to have a meaning.
    """

    values: tuple[Eigenvalue, ...]
    ascending: bool
    steps: tuple[Step, ...]
    defined: tuple[Any, ...] = ()


def tidy(expression: Any) -> Any:
    """The shortest of a few equal forms."""
    expression = sympy.sympify(expression)
    if expression.is_Atom or expression.has(sympy.acos, sympy.CRootOf):  # roots of cubics and more stay as they are found
        return expression
    forms = [expression]
    if sympy.count_ops(expression) <= MAX_OPERATIONS:
        if any(f.free_symbols for f in expression.atoms(sympy.sin, sympy.cos, sympy.tan)):
            forms.append(sympy.trigsimp(expression))
        forms += map(sympy.expand, list(forms))
        if len(expression.free_symbols) <= MAX_FACTORED:  # factoring in many variables may take long
            with contextlib.suppress(sympy.PolynomialError, NotImplementedError):
                forms += map(sympy.factor, list(forms))
    return min(forms, key=sympy.count_ops)


def single(block: Matrix) -> Part | None:
    """A block of one sample: kappa = K_ii."""
    if block.rows != 1:
        return None
    kappa = tidy(block[0, 0])
    return Part((Eigenvalue(kappa, kappa),), True, (Step(FACT, f"a gradient orthogonal to all others: kappa = {kappa}", (block[0, 0] - kappa,)),))


def pair(block: Matrix) -> Part | None:
    """A block of two samples, by radicals: kappa = (tr +- sqrt((K_11 - K_22)^2 + 4 K_12^2))/2."""
    if block.rows != 2:
        return None
    trace = tidy(block[0, 0] + block[1, 1])
    determinant = tidy(block[0, 0] * block[1, 1] - block[0, 1] ** 2)
    return quadratic(block, trace, determinant, tidy(block[0, 0] - block[1, 1]) ** 2 + 4 * tidy(block[0, 1]) ** 2)


def quadratic(matrix: Matrix, trace: Any, product: Any, discriminant: Any = None) -> Part:
    """The roots of t^2 - trace t + product, the characteristic polynomial of `matrix` divided by a power of t."""
    shared = (characteristic(matrix) - T ** (matrix.rows - 2) * (T**2 - trace * T + product),)
    if is_zero(product):
        step = Step(FACT, f"det(t I - K) = t^{matrix.rows - 1} (t - tr K): the only nonzero eigenvalue is kappa = {trace}", (*shared, product))
        return Part((Eigenvalue(trace, trace),), True, (step,))
    low, high = quadratic_roots(trace, product, discriminant)
    roots = tuple(root**2 - trace * root + product for root in (low, high))
    text = f"the characteristic polynomial of K without its zero roots is t^2 - ({trace}) t + ({product}); both roots are real and not negative"
    step = Step(FACT, text, (*shared, *roots, low + high - trace))
    return Part((Eigenvalue(low, product), Eigenvalue(high, high)), True, (step,))


def quadratic_roots(trace: Any, product: Any, discriminant: Any = None) -> tuple[Any, Any]:
    """Both roots, the smaller first."""
    forms = [form for form in (discriminant, tidy(trace**2 - 4 * product)) if form is not None]
    root = min((sympy.sqrt(form) for form in forms), key=sympy.count_ops)
    return (trace - root) / 2, (trace + root) / 2


def rank_one_plus_identity(block: Matrix) -> Part | None:
    """a I + w w^T/w_1 with w_1 = K_12 K_13/K_23: a (N - 1 times) and tr K - (N - 1) a. Equal correlations are the case of a constant w.

    Proof. K (w_j e_1 - w_1 e_j) = a (w_j e_1 - w_1 e_j) for j >= 2, N - 1 independent vectors where w_1 != 0; K w = (tr K - (N - 1) a) w, and w is orthogonal
    to them. So det(t I - K) = (t - a)^(N-1) (t - tr K + (N - 1) a) there, and by continuity wherever a is defined.
    """
    n = block.rows
    if n < 3 or any(is_zero(block[i, j]) for i, j in ((0, 1), (0, 2), (1, 2))):
        return None
    a = tidy(sympy.cancel(block[0, 0] - block[0, 1] * block[0, 2] / block[1, 2]))
    rest = block - a * sympy.eye(n)
    w = rest.col(0)
    if not all(is_zero(rest[i, j] * w[0] - w[i] * w[j]) for i in range(n) for j in range(i + 1)):
        return None
    top = tidy(sympy.cancel(block.trace() - (n - 1) * a))
    identities = list(block * w - top * w)
    for j in range(1, n):  # the vector w_j e_1 - w_1 e_j has two entries: its image needs two columns of K
        identities += [block[i, 0] * w[j] - block[i, j] * w[0] - a * (int(i == 0) * w[j] - int(i == j) * w[0]) for i in range(n)]
    values = tuple(Eigenvalue(x, x) for x in (a, top) if not is_zero(x))
    text = f"K = a I + w w^T/w_1: the eigenvalue {top} belongs to w, and a = {a} to the {n - 1} independent vectors w_j e_1 - w_1 e_j"
    defined = tuple(x for x in dict.fromkeys(sympy.fraction(sympy.together(x))[1] for x in (a, top)) if x.free_symbols)
    return Part(values, len(values) == 1, (Step(FACT, text, tuple(identities)),), defined)


def circulant(block: Matrix) -> Part | None:
    """K_ij = c_(i-j mod N), c_j = c_(N-j): kappa_k = sum_j c_j cos(2 pi j k/N), k = 0..N/2.

    Proof. For w^N = 1 the vector (1, w, .., w^(N-1)) belongs to sum_j c_j w^j, which is kappa_k at w = exp(2 pi i k/N) as c_j = c_(N-j); the N vectors
    are independent (Vandermonde). Which of the kappa_k vanish or agree identically is decided modulo the cyclotomic polynomial.
    """
    n = block.rows
    if n < 3 or not all(is_zero(block[i, j] - block[(i - j) % n, 0]) for i in range(n) for j in range(n)):
        return None
    need(n <= MAX_CIRCULANT, f"K is circulant of size {n}, beyond {MAX_CIRCULANT}")
    c = [tidy(block[j, 0]) for j in range(n)]
    kept, seen = [], set[tuple[Any, ...]]()
    for k in range(n // 2 + 1):
        key = _cyclotomic_residue(c, k)
        if key not in seen and not all_zero(key):
            kept.append(k)
        seen.add(key)
    numbers, common = all(x.is_number for x in c), max(c[1:], key=c[1:].count)
    values = [tidy(_circulant_eigenvalue(c, common, k)) for k in kept]
    between: tuple[Any, ...] = ()
    if not numbers:
        values, between = extreme_points(values)
    size = sum(map(sympy.count_ops, values))
    need(numbers or size <= MAX_OPERATIONS, f"K is circulant, but its {len(values)} eigenvalues would fill a page")
    powers = [W**j for j in range(n)]
    value = sum((x * p for x, p in zip(c, powers, strict=True)), start=sympy.Integer(0))
    identities = []
    for m in range(n):
        wrapped = sum((c[j] * W ** (m + j - n) for j in range(n - m, n)), start=sympy.Integer(0))
        row = sum((block[m, i] * p for i, p in enumerate(powers)), start=sympy.Integer(0))
        identities.append(row - value * W**m + (W**n - 1) * wrapped)
    symmetric = tuple(c[j] - c[n - j] for j in range(1, n))
    identities.append((W - 1) * sum(powers) - W**n + 1)  # the powers of w != 1 add up to zero: a constant may be taken off all c_j
    text = f"K is circulant: for w^{n} = 1 the vector (1, w, w^2, ..) belongs to sum_j c_j w^j = sum_j c_j cos(2 pi j k/{n}) at w = exp(2 pi i k/{n})"
    steps = [Step(FACT, text, (*identities, *symmetric))]
    if between:
        steps.append(Step(FACT, "every other eigenvalue is a fixed convex combination of two of these", between))
    return Part(tuple(Eigenvalue(x, x) for x in values), len(values) == 1, tuple(steps))


def extreme_points(values: list[Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """Without those that are x + r (y - x), 0 < r < 1 a number, for two others x and y; and that as identities. Looks along one line only."""
    for start in (0, 1):  # of a circulant K the first eigenvalue, sum_j c_j, may be the only one off the line
        line = values[start:]
        if len(line) < 3:
            break
        ratios = [sympy.Integer(0)]
        for x in line[1:]:
            ratios.append(sympy.cancel((x - line[0]) / (line[1] - line[0])))
            if not ratios[-1].is_number:
                break
        else:
            order = sorted(range(len(line)), key=lambda i: ratios[i].evalf(30))
            low, high = order[0], order[-1]
            inner = order[1:-1]
            share = [(ratios[i] - ratios[low]) / (ratios[high] - ratios[low]) for i in inner]
            if all(compare(r, sympy.Integer(0)) == 1 and compare(sympy.Integer(1), r) == 1 for r in share):
                between = tuple(line[i] - line[low] - r * (line[high] - line[low]) for i, r in zip(inner, share, strict=True))
                return [*values[:start], line[low], line[high]], between
    return values, ()


def _circulant_eigenvalue(c: list[Any], common: Any, k: int) -> Any:
    """sum_j c_j cos(2 pi j k/N), short where many entries are `common`: sum_j cos(2 pi j k/N) is N for k = 0 and 0 for 0 < k < N."""
    n = len(c)
    if k == 0:
        return sum(c)
    d = [x - common for x in c]
    terms = [2 * d[j] * sympy.cos(2 * sympy.pi * ((j * k) % n) / n) for j in range(1, (n + 1) // 2)]
    return sum(terms, start=d[0] + (d[n // 2] * (-1) ** k if n % 2 == 0 else 0))


def _cyclotomic_residue(c: list[Any], k: int) -> tuple[Any, ...]:
    """kappa_k in the basis 1, w, w^2, .. of Q(w), w a primitive N-th root of unity: equal residues are equal eigenvalues."""
    n = len(c)
    found: list[Any] = [sympy.Integer(0)] * int(sympy.totient(n))
    for j, x in enumerate(c):
        for power, coefficient in enumerate(_power_residue((j * k) % n, n)):
            found[power] += coefficient * x
    return tuple(map(sympy.expand, found))


def _power_residue(power: int, n: int) -> list[int]:
    """The coefficients of w^power modulo the cyclotomic polynomial, constant term first."""
    remainder = sympy.rem(sympy.Poly(W**power, W), sympy.Poly(sympy.cyclotomic_poly(n, W), W))
    return [int(x) for x in reversed(remainder.all_coeffs())]


def by_characteristic_polynomial(block: Matrix) -> Part | None:
    """The factors of det(t I - K): linear, quadratic by radicals, cubic by the cosine of a third of an angle, rational of any degree by CRootOf."""
    rational = all(x.is_Rational for x in block)
    known = block.rows <= (MAX_RATIONAL if rational else MAX_SYMBOLIC)
    need(known, f"K has a block of {block.rows} samples without a known structure, too large for its characteristic polynomial")
    chi = sympy.Poly(characteristic(block), T)
    coefficients = [x if x.is_Rational else tidy(x) for x in reversed(chi.all_coeffs())]
    zeros = next(i for i, x in enumerate(coefficients) if not is_zero(x))
    reduced = sum((x * T**i for i, x in enumerate(coefficients[zeros:])), start=sympy.Integer(0))
    factors = _factors(reduced)
    product = sympy.prod([factor**power for factor, power in factors])
    shown = " ".join(f"({f.subs(T, sympy.Symbol('t'))})" + (f"^{e}" if e > 1 else "") for f, e in factors)
    text = "the characteristic polynomial of K" + (f" is t^{zeros} times" if zeros else ":") + f" {shown}"
    identities = ((T * sympy.eye(block.rows) - block).det(method="berkowitz") - T**zeros * product,)
    parts = [_roots(sympy.Poly(factor, T), rational) for factor, _ in factors]
    steps = (Step(FACT, text, identities), *(step for part in parts for step in part.steps))
    values = tuple(value for part in parts for value in part.values)
    return Part(values, len(parts) == 1 and parts[0].ascending, steps, tuple(x for part in parts for x in part.defined))


def characteristic(matrix: Matrix) -> Any:
    """det(t I - K) as an expression in T."""
    return sum((x * T**i for i, x in enumerate(reversed(matrix.charpoly(simplify=sympy.expand).all_coeffs()))), start=sympy.Integer(0))


def _factors(polynomial: Any) -> list[tuple[Any, int]]:
    """Monic factors in T with multiplicities."""
    numerator, _ = sympy.fraction(sympy.together(polynomial))
    symbols = sorted(numerator.free_symbols - {T}, key=str)
    point = {s: sympy.Rational(sympy.prime(5 * i + 3), 2) for i, s in enumerate(symbols)}
    try:
        image = polynomial.subs(point)  # monic: if this is irreducible, so is the polynomial
        if symbols and sympy.Poly(image, T).domain.is_QQ and sympy.Poly(image, T).is_irreducible:
            return [(polynomial, 1)]
        found = sympy.factor_list(numerator)[1]
    except (sympy.PolynomialError, NotImplementedError):
        return [(polynomial, 1)]
    monic = [(sympy.Poly(factor, T), int(power)) for factor, power in found if factor.has(T)]
    return [(sum((tidy(x / p.LC()) * T**i for i, x in enumerate(reversed(p.all_coeffs()))), start=sympy.Integer(0)), e) for p, e in monic]


def _roots(factor: Any, rational: bool) -> Part:
    coefficients = factor.all_coeffs()
    if factor.degree() == 1:
        kappa = -coefficients[1]
        return Part((Eigenvalue(kappa, kappa),), True, ())
    if factor.degree() == 2:
        low, high = quadratic_roots(-coefficients[1], coefficients[2])
        step = Step(FACT, "its quadratic factor by radicals", tuple(factor.as_expr().subs(T, x) for x in (low, high)))
        return Part((Eigenvalue(low, coefficients[2]), Eigenvalue(high, high)), True, (step,))
    if rational:
        named = factor.replace(sympy.Symbol("x"))
        roots = [sympy.CRootOf(named, i) for i in (0, factor.degree() - 1)]  # K is symmetric: all roots are real, and CRootOf counts them upwards
        text = f"the roots of the irreducible factor of degree {factor.degree()}, all real, isolated and counted upwards"
        return Part(tuple(Eigenvalue(x, x) for x in roots), True, (Step(FACT, text),))
    need(factor.degree() == 3, f"its characteristic polynomial has a factor of degree {factor.degree()} in kappa; mu_sign_conditions says exactly where mu < 0")
    return _cubic(*coefficients[1:])


def _cubic(c2: Any, c1: Any, c0: Any) -> Part:
    """t^3 + c2 t^2 + c1 t + c0 with three real roots: kappa = (e + 2 sqrt(P) cos((acos(q) + 2 pi k)/3))/3, e = -c2, P = e^2 - 3 c1,
    q = (2 e^3 - 9 e c1 - 27 c0)/(2 P^(3/2)); k = 0 is the largest, k = 1 the smallest.

    Proof. With t = (e + 2 r cos(u))/3, r^2 = P, the polynomial is (2 r^3/27) (cos(3 u) - q). Its discriminant is 4 P^3 (1 - q^2)/27, which is not negative as
    the roots are real, so q = cos(3 u) has a solution; acos(q)/3 lies in [0, pi/3], where cos(u) is the largest and cos(u + 2 pi/3) the smallest of the three.
    """
    e, P = -c2, tidy(c2**2 - 3 * c1)
    numerator = tidy(2 * e**3 - 9 * e * c1 - 27 * c0)
    angle = sympy.acos(numerator / (2 * sympy.sqrt(P) ** 3)) / 3
    low, high = (e + 2 * sympy.sqrt(P) * sympy.cos(angle + 2 * sympy.pi / 3)) / 3, (e + 2 * sympy.sqrt(P) * sympy.cos(angle)) / 3
    need(sympy.count_ops(high) <= MAX_OPERATIONS, "the roots of its cubic factor would fill a page; mu_sign_conditions says exactly where mu < 0")
    s, r, u, q = (sympy.Dummy(name, real=True) for name in "eruq")
    t = (s + 2 * r * sympy.cos(u)) / 3
    cubic = t**3 - s * t**2 + (s**2 - r**2) / 3 * t + (2 * s**3 - 3 * s * (s**2 - r**2) - 2 * r**3 * q) / 27
    discriminant = c2**2 * c1**2 - 4 * c1**3 - 4 * c2**3 * c0 - 27 * c0**2 + 18 * c2 * c1 * c0
    identities = (
        cubic - 2 * r**3 * (sympy.cos(3 * u) - q) / 27,
        P - e**2 + 3 * c1,
        numerator - 2 * e**3 + 9 * e * c1 + 27 * c0,
        27 * discriminant - 4 * P**3 + numerator**2,
    )
    text = "its cubic factor has three real roots, so they are cosines of a third of an angle: with t = (e + 2 r cos(u))/3 it is (2 r^3/27) (cos(3 u) - q)"
    return Part((Eigenvalue(low, -c0), Eigenvalue(high, high)), True, (Step(FACT, text, identities),), (P,))


FINDERS: tuple[Callable[[Matrix], Part | None], ...] = (single, pair, rank_one_plus_identity, circulant, by_characteristic_polynomial)


def compare(x: Any, y: Any) -> int | None:
    """The sign of x - y for real numbers, None where they are closer than can be told apart."""
    difference = x - y
    if difference.is_Rational:
        return int(sympy.sign(difference))
    for digits in (30, 90, 270):
        value = difference.evalf(digits, maxn=3 * digits)
        if value.is_comparable and abs(value) > sympy.Float(10) ** (10 - digits):
            return 1 if value > 0 else -1
    return 0 if is_zero(difference) else None
