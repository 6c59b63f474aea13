"""A certificate of kind planar-forms, piece by piece, with every polynomial that its checking needs: what is printed where a person is to check it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .check import inverse, pieces

Polynomial = list[Fraction]  # coefficients of s^n, s^(n-1) t, ..., t^n
Matrix = Sequence[Sequence[Fraction]]


@dataclass(frozen=True)
class WrittenPiece:
    """v = s corners[0] + t corners[1], s, t >= 0, a piece of cone number `cone` (`whole`: all of it).

    images[i] = (sign, target, x_0, x_1): sign A_i v = x_0(s, t) e_0 + x_1(s, t) e_1 with the generators e of cone `target`;
    difference = prod_i F(A_i v)^(P_i) - F(v)^(sum P_i), whose sign proves that of lambda.
    """

    cone: int
    whole: bool
    corners: list[list[int]]
    images: list[tuple[int, int, Polynomial, Polynomial]]
    difference: Polynomial


def written_pieces(matrices: Sequence[Matrix], weights: Sequence[int], proof: dict[str, Any]) -> Iterator[WrittenPiece]:
    """All pieces of an accepted proof with rho = 1 about steps with the integer weights P_i."""
    forms = [[int(c) for c in form] for form in proof["forms"]]
    cones = [[[int(x) for x in e] for e in cone] for cone in proof["cones"]]
    for k, cone in enumerate(cones):
        every = list(pieces(proof["trees"][k], 2))
        for generators, leaf in every:
            images, product = [], [Fraction(1)]
            for matrix, label, weight in zip(matrices, leaf, weights, strict=False):
                image = _image(matrix, cone, generators, cones[label])
                sign = -1 if any(x < 0 for row in image for x in row) else 1
                x, y = ([abs(c) for c in row] for row in image)
                images.append((sign, label, x, y))
                product = _times(product, _power(_composed(forms[label], [x, y]), weight))
            here = _composed(forms[k], [[Fraction(g[i]) for g in generators] for i in (0, 1)])
            difference = [a - b for a, b in zip(product, _power(here, sum(weights)), strict=True)]
            corners = [[sum(cone[j][i] * g[j] for j in (0, 1)) for i in (0, 1)] for g in generators]
            yield WrittenPiece(k, len(every) == 1, corners, images, difference)


def why(difference: Polynomial, relation: str) -> str:
    """Why the form has its sign for s, t >= 0: "coefficients", "discriminant" or "bisection"."""
    sign = -1 if relation in ("<", "<=") else 1
    if all(sign * c >= 0 for c in difference) and difference[0] and difference[-1]:
        return "coefficients"
    if len(difference) == 3 and difference[1] ** 2 < 4 * difference[0] * difference[2] and sign * difference[0] > 0:
        return "discriminant"
    return "bisection"


def _image(matrix: Matrix, cone: list[list[int]], generators: list[list[int]], target: list[list[int]]) -> list[Polynomial]:
    """Coordinates in the target cone of A(s v_0 + t v_1), as linear polynomials."""
    back = inverse([[Fraction(e[i]) for e in target] for i in (0, 1)])
    corners = [[sum(cone[j][i] * g[j] for j in (0, 1)) for i in (0, 1)] for g in generators]
    moved = [[sum((matrix[i][j] * v[j] for j in (0, 1)), start=Fraction(0)) for i in (0, 1)] for v in corners]
    return [[sum((back[i][j] * w[j] for j in (0, 1)), start=Fraction(0)) for w in moved] for i in (0, 1)]


def _composed(form: list[int], image: list[Polynomial]) -> Polynomial:
    """F(x_0, x_1) = sum c_j x_0^(q-j) x_1^j at linear polynomials x_0, x_1."""
    degree = len(form) - 1
    total = [Fraction(0)] * (degree + 1)
    for j, c in enumerate(form):
        term = [Fraction(c)]
        for factor in [image[0]] * (degree - j) + [image[1]] * j:
            term = _times(term, factor)
        total = [x + y for x, y in zip(total, term, strict=True)]
    return total


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def _power(a: Polynomial, exponent: int) -> Polynomial:
    product = [Fraction(1)]
    for _ in range(exponent):
        product = _times(product, a)
    return product
