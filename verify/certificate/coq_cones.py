"""Cones, trees and labels of certificates (S4, S5) as Coq terms. Coq wants what the certificate leaves to its checker: the sign of every image,
pieces on which signs show in the coefficients, and integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..exact import InputError
from .check import inverse
from .coq_text import arguments, matrix_text, rounded, tuple_text

MAX_BISECTIONS = 16

Integers = list[list[int]]


@dataclass(frozen=True)
class Member:
    """A member of the family: the matrix rows / scale with the weight `power`, and its number among the steps of the certificate (None: the identity)."""

    power: int
    scale: int
    rows: Integers
    step: int | None

    def image(self, v: list[int]) -> list[int]:
        return [sum(map(int.__mul__, row, v)) for row in self.rows]


@dataclass(frozen=True)
class Piece:
    """A piece of a cone: rays in lowest terms (those of the certificate are `factors` times as long), its labels, and how often it was cut after its leaf."""

    rays: Integers
    factors: list[int]
    labels: list[Any]
    depth: int

    def replaced(self, k: int, ray: list[int], factor: int) -> Piece:
        rays, factors = [*self.rays], [*self.factors]
        rays[k], factors[k] = ray, factor
        return Piece(rays, factors, self.labels, self.depth)

    def labelled(self, labels: list[Any]) -> Piece:
        return Piece(self.rays, self.factors, labels, 0)

    def deeper(self) -> Piece:
        return Piece(self.rays, self.factors, self.labels, self.depth + 1)


class _Cones:
    """The cones of a proof, and the walk over the pieces of their trees."""

    def __init__(self, proof: dict[str, Any], members: list[Member]) -> None:
        self.members = members
        self.cones = [[[int(x) for x in ray] for ray in cone] for cone in proof["cones"]]
        self.forms = [[int(x) for x in form] for form in proof["forms"]]
        self.trees: list[list[Any]] = proof["trees"]
        self.d = len(members[0].rows)
        if any(len(cone) != self.d or any(len(ray) != self.d for ray in cone) for cone in self.cones):
            raise InputError("the certificate's cones do not have the dimension of its family")
        self.duals: list[Integers] = []  # duals . rays = scales times the identity
        self.scales: list[int] = []
        for cone in self.cones:
            back = inverse([[Fraction(ray[i]) for ray in cone] for i in range(self.d)])
            scale = math.lcm(*(x.denominator for row in back for x in row))
            if self.d == 2:  # as `plane` of Certificates.v has it
                scale = abs(cone[0][0] * cone[1][1] - cone[0][1] * cone[1][0])
            self.duals.append([[int(x * scale) for x in row] for row in back])
            self.scales.append(scale)

    def coordinates(self, cone: int, v: list[int]) -> list[int]:
        """`scales[cone]` times the coordinates of v in the cone's rays."""
        return [sum(map(int.__mul__, row, v)) for row in self.duals[cone]]

    def tree(self, cone: int, leaf: Callable[[Piece], Piece | str]) -> str:
        """The cone's tree as a Coq term; `leaf` writes a piece, or has it cut at a e_0 + b e_1 if it returns no text."""
        nodes = iter(self.trees[cone])

        def term(piece: Piece) -> str:
            node = next(nodes, None)
            if node is None:
                raise InputError(f"the tree of cone {cone} ends early")
            if node[0] != "/":
                return finished(piece.labelled(node[1:]))
            return cut(piece, node[1], node[2], int(node[3]), int(node[4]), term)

        def finished(piece: Piece) -> str:
            found = leaf(piece)
            return found if isinstance(found, str) else cut(found, 0, 1, 1, 1, finished)

        def cut(piece: Piece, i: int, j: int, a: int, b: int, then: Callable[[Piece], str]) -> str:
            a, b = a * piece.factors[i], b * piece.factors[j]
            a, b = a // (common := math.gcd(a, b)), b // common
            ray = [a * x + b * y for x, y in zip(piece.rays[i], piece.rays[j], strict=True)]
            s = math.gcd(*ray)
            ray = [x // s for x in ray]
            with_j = then(piece.replaced(j, ray, common * s))
            return self.split(i, j, a, b, s, then(piece.replaced(i, ray, common * s)), with_j)

        return term(Piece(self.cones[cone], [1] * self.d, [], 0))

    def split(self, i: int, j: int, a: int, b: int, s: int, with_i: str, with_j: str) -> str:
        """The cut of the edge (i, j) at (a e_i + b e_j) / s: first the piece with the new ray in place of e_i, then in place of e_j."""
        if self.d != 2:
            return f"(Split {i} {j} {a} {b} {s} {with_i} {with_j})"
        return f"(cut {a} {b} {s} {with_i} {with_j})" if i == 0 else f"(cut {b} {a} {s} {with_j} {with_i})"

    def targets(self, cone: int, piece: Piece) -> list[tuple[int, int, Integers]]:
        """For each member the image cone, the sign, and the images of the rays with this sign in that cone's coordinates (times its scale and the member's)."""
        found = []
        for m in self.members:
            label = cone if m.step is None else piece.labels[m.step]
            images = [self.coordinates(label, m.image(ray)) for ray in piece.rays]
            sign = 1 if sum(map(sum, images)) >= 0 else -1
            found.append((label, sign, [[sign * x for x in v] for v in images]))
        return found


def _aims(targets: list[tuple[int, int, Integers]]) -> str:
    return tuple_text(sign * (label + 1) for label, sign, _ in targets)


def _listed(rows: list[str]) -> str:
    return "[\n  " + ";\n  ".join(rows) + "]"


def _linear_cone(c: _Cones, k: int, common: int) -> tuple[str, list[int]]:
    """The cone with its linear form: `common` times the values of the certificate at the rays."""
    form = [sum(value * (common // c.scales[k]) * row[i] for value, row in zip(c.forms[k], c.duals[k], strict=True)) for i in range(c.d)]
    if c.d == 2:
        return f"plane {arguments(c.cones[k][0])} {arguments(c.cones[k][1])} {tuple_text(form)}", form
    return f"Cone {matrix_text(c.cones[k])} {matrix_text(c.duals[k])} {c.scales[k]} {tuple_text(form)}", form


def linear_lower(proof: dict[str, Any], members: list[Member]) -> tuple[str, int, int, int]:
    """A lower bound of S4: the list of cones with their trees, and x, y with prod L_s^{P_s} >= (x/y) L_0^P at all generators of all pieces."""
    c = _Cones(proof, members)
    common, total = math.lcm(*c.scales), sum(m.power for m in members)
    cones = [_linear_cone(c, k, common) for k in range(len(c.cones))]
    least: list[Fraction] = []
    rows = []
    for k, (text, form) in enumerate(cones):

        def leaf(piece: Piece, k: int = k, form: list[int] = form) -> str:
            targets = c.targets(k, piece)
            for ray in piece.rays:
                ratio = Fraction(1, max(1, sum(map(int.__mul__, form, ray))) ** total)
                for m, (label, sign, _) in zip(members, targets, strict=True):
                    ratio *= Fraction(max(0, sign * sum(map(int.__mul__, cones[label][1], m.image(ray)))), m.scale) ** m.power
                least.append(ratio)
            return f"(to {_aims(targets)})"

        rows.append(f"({text}, {c.tree(k, leaf)})")
    rho = rounded(min(least), up=False)
    return _listed(rows), max(1, rho.numerator), rho.denominator, 0


def linear_upper(proof: dict[str, Any], members: list[Member]) -> tuple[str, int, int, int]:
    """An upper bound of S4: the list of cones with their trees, x, y with prod t_s^{-P_s} <= x/y on all pieces, and a bound of the multipliers."""
    c = _Cones(proof, members)
    common, total = math.lcm(*c.scales), sum(m.power for m in members)
    largest, bounds, rows = [Fraction(0)], [1], []
    steps = max((m.step for m in members if m.step is not None), default=-1) + 1
    for k in range(len(c.cones)):

        def leaf(piece: Piece, k: int = k) -> str:
            t = [Fraction(1) if m.step is None else Fraction(piece.labels[steps + m.step]) for m in members]
            if min(t) <= 0:
                raise InputError(f"a multiplier of cone {k} is not positive")
            largest.append(math.prod((x**-m.power for x, m in zip(t, members, strict=True)), start=Fraction(1)))
            base = math.lcm(*((x / m.scale).denominator for x, m in zip(t, members, strict=True)))
            us = [int(x * base / m.scale) for x, m in zip(t, members, strict=True)]
            constant = total * base
            bounds.append(max(constant, -(-sum(m.power * u * m.scale for u, m in zip(us, members, strict=True)) // constant)))
            return f"(to_with {_aims(c.targets(k, piece))} {tuple_text(us)} {constant})"

        rows.append(f"({_linear_cone(c, k, common)[0]}, {c.tree(k, leaf)})")
    rho = rounded(max(largest), up=True)
    return _listed(rows), rho.numerator, rho.denominator, max(bounds)


def planar(proof: dict[str, Any], members: list[Member], upper: bool, strict: bool, p: list[Fraction]) -> tuple[str, int, int, int]:
    """A bound of S5: the list of cones with their forms and trees, cut until the signs show in the coefficients, x/y = rho, and the degree.

    `strict`: the claim is strict at exactly rho = 1, so that strict signs decide; Coq gets a rho on the better side of 1 that they leave room for.
    """
    c = _Cones(proof, members)
    if c.d != 2:
        raise InputError("planar forms need matrices of size 2")
    total, degree = sum(m.power for m in members), int(proof["degree"])
    rho = Fraction(proof["rho"]) ** (total // math.lcm(*(x.denominator for x in p)))  # the certificate's P counts equal steps as one
    strict = strict and rho == 1
    sign, rows = -1 if upper else 1, []
    ratios: list[Fraction] = []
    for k, cone in enumerate(c.cones):

        def leaf(piece: Piece, k: int = k) -> Piece | str:
            targets = c.targets(k, piece)
            here = _power(_composed(c.forms[k], [c.coordinates(k, ray) for ray in piece.rays]), total)
            there, factor = [c.scales[k] ** (degree * total)], 1
            for m, (label, _, images) in zip(members, targets, strict=True):
                there = _product(there, _power(_composed(c.forms[label], images), m.power))
                factor *= (c.scales[label] * m.scale) ** (degree * m.power)
            found = [sign * (rho.denominator * x - rho.numerator * factor * y) for x, y in zip(there, here, strict=True)]
            least = 1 if strict else 0
            if min(found) < least <= min(found[0], found[-1]) and piece.depth < MAX_BISECTIONS:
                return piece.deeper()
            ratios.extend(Fraction(x, factor * max(y, 1)) for x, y in zip(there, here, strict=True) if strict)
            return f"(to {_aims(targets)})"

        rows.append(f"(form_plane {arguments(cone[0])} {arguments(cone[1])} {tuple_text(c.forms[k])}, {c.tree(k, leaf)})")
    if strict:
        rho = rounded(max(ratios) if upper else min(ratios), up=upper)
    return _listed(rows), max(1, rho.numerator), rho.denominator, degree


def _product(a: list[int], b: list[int]) -> list[int]:
    result = [0] * (len(a) + len(b) - 1)
    for (i, x), (j, y) in itertools.product(enumerate(a), enumerate(b)):
        result[i + j] += x * y
    return result


def _power(a: list[int], exponent: int) -> list[int]:
    result = [1]
    for _ in range(exponent):
        result = _product(result, a)
    return result


def _composed(form: list[int], images: Integers) -> list[int]:
    """The coefficients of F at s u + t v, where u and v are the two images."""
    (a0, a1), (b0, b1) = images
    x, y = [a0, b0], [a1, b1]
    result = [0] * len(form)
    for j, c in enumerate(form):
        term = _product(_power(x, len(form) - 1 - j), _power(y, j))
        result = [r + c * z for r, z in zip(result, term, strict=True)]
    return result
