"""Proof, in rational numbers, that cones and arcs are mapped as guessed; and the data of Poisson's equation on the arcs.

Cone k has the generators a_k, b_k (integer vectors); v = s a_k + t b_k lies on its arc iff 1/q_k <= t/s <= q_k. In the coordinates of cones k and k' a step
is, up to sign, a matrix with nonnegative entries, so that on v = (e^-u, e^u) both new coordinates are analytic and not zero for |Im u| < pi/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...balls import fmpq_of
from ...family import MatrixFamily
from ._arcs import Guess

BITS = 56  # of the generators: the cones' slack is far above 2^-56

Entries = tuple[Any, Any, Any, Any]  # fmpq, row by row


@dataclass(frozen=True)
class Cone:
    """Generators a and b of the cone, and the reach q > 1 of its arc."""

    a: tuple[int, int]
    b: tuple[int, int]
    reach: Fraction


@dataclass(frozen=True)
class Arcs:
    """Cones with their arcs; `moves[s][k]` = (target cone, entries >= 0 of step s in the coordinates of cone k and the target); probabilities p_s, sum <= 1."""

    cones: list[Cone]
    moves: list[list[tuple[int, Entries]]]
    probabilities: list[Fraction]


def proved(family: MatrixFamily, guesses: list[Guess]) -> Arcs | None:
    """The guessed arcs, if every step maps every arc into the interior of an arc and every cone into a cone; else None."""
    cones = [_cone(guess) for guess in guesses]
    exact = [(tuple(fmpq_of(Fraction(x)) for x in (*cone.a, *cone.b)), fmpq_of(cone.reach)) for cone in cones]
    moves = []
    for a in family.matrices:
        row = []
        step = tuple(fmpq_of(x) for line in a for x in line)
        for source in exact:
            move = next(((k, entries) for k, target in enumerate(exact) if (entries := _entries(step, source, target))), None)
            if move is None:
                return None
            row.append(move)
        moves.append(row)
    return Arcs(cones, moves, list(family.probabilities))


def _cone(guess: Guess) -> Cone:
    """Rational generators, balanced so that the arc is symmetric about s = t."""
    scale = 1 << BITS
    balance = Fraction(math.exp(guess.u_lo + guess.u_hi))
    a, b = ((round(math.cos(x) * scale), round(math.sin(x) * scale)) for x in (guess.lo, guess.hi))
    return Cone(
        (a[0] * balance.denominator, a[1] * balance.denominator),
        (b[0] * balance.numerator, b[1] * balance.numerator),
        Fraction(math.exp(guess.u_hi - guess.u_lo)),
    )


def _entries(step: Any, source: Any, target: Any) -> Entries | None:
    (a0, a1, b0, b1), reach = source
    (c0, c1, d0, d1), room = target
    area = c0 * d1 - c1 * d0
    columns = []
    for x, y in ((a0, a1), (b0, b1)):
        u, v = step[0] * x + step[1] * y, step[2] * x + step[3] * y
        columns.append(((u * d1 - v * d0) / area, (c0 * v - c1 * u) / area))
    (a, c), (b, d) = columns
    if a + b + c + d < 0:
        a, b, c, d = -a, -b, -c, -d
    if min(a, b, c, d) < 0:
        return None
    for r in (reach, 1 / reach):
        first, second = a + b * r, c + d * r
        if not (first > 0 and first < second * room and second < first * room):
            return None
    return a, b, c, d
