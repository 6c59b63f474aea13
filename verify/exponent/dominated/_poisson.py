"""Poisson's equation on the arcs: P_0 G_k(y) - sum p_s G_k'(y'_s) + lambda = sum p_s (log l_1 + log l_2)/2, one Chebyshev series G_k for every arc.

Arc k is v = (e^-u, e^u), u = L_k y, -1 <= y <= 1, L_k = (1/2) log q_k; a step has the coordinates l_1, l_2 > 0 there and y' = log(l_2/l_1)/(2 L_k').
h(v) = sqrt(s t) exp(G_k(y)) then has the constant residual lambda (S1, S2). Collocation at the N Chebyshev nodes of every arc; one LU in doubles, refined to
any precision with residuals in arb, each correction adding about 15 digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...balls import fmpq_of
from ._arcs import Floats, scaled
from ._cones import Arcs
from ._refinement import NotSolved, Refinement, exponent

MAX_BYTES = 3 << 29  # of the matrix in arb; with copies at lower precision the search takes about twice that
GUARD = 40  # bits beyond the digits that are asked for


@dataclass(frozen=True)
class Series:
    """Coefficients c_kj = integer / 2^bits, `value` about lambda, and log10 of the largest residual at the nodes."""

    coefficients: list[list[int]]
    bits: int
    value: Fraction
    log_residual: float

    @property
    def log_sizes(self) -> list[Floats]:
        """log |c_kj|."""
        return [np.array([math.log(abs(c)) - self.bits * math.log(2) if c else -math.inf for c in row]) for row in self.coefficients]


@dataclass(frozen=True)
class Poisson:
    """The equation for given arcs."""

    arcs: Arcs

    @cached_property
    def lengths(self) -> list[float]:
        """L_k."""
        return [math.log(cone.reach) / 2 for cone in self.arcs.cones]

    @cached_property
    def p(self) -> list[float]:
        return [float(p) for p in self.arcs.probabilities]

    @cached_property
    def _floats(self) -> list[list[tuple[Floats, float]]]:
        """Entries of size about 1 and the logarithm of the scale."""
        found = []
        for row in self.arcs.moves:
            exact = [[Fraction(int(x.p), int(x.q)) for x in entries] for _, entries in row]
            pairs = [scaled(((x[0], x[1]), (x[2], x[3]))) for x in exact]
            found.append([(matrix, e * math.log(2)) for matrix, e in pairs])
        return found

    def move(self, s: int, k: int, y: NDArray[Any]) -> tuple[int, NDArray[Any], NDArray[Any]]:
        """(k', y', (log l_1 + log l_2)/2) in double precision, for real or complex y."""
        (a, b), (c, d) = self._floats[s][k][0]
        target, u = self.arcs.moves[s][k][0], self.lengths[k] * y
        first, second = np.log(a * np.exp(-u) + b * np.exp(u)), np.log(c * np.exp(-u) + d * np.exp(u))
        return target, (second - first) / (2 * self.lengths[target]), (first + second) / 2 + self._floats[s][k][1]

    def float_system(self, n: int) -> tuple[Floats, Floats]:
        """Matrix and right-hand side for the unknowns (c_00, ..., lambda); the last equation is c_00 = 0, which the others leave open."""
        size = len(self.arcs.cones) * n
        matrix, rhs = np.zeros((size + 1, size + 1)), np.zeros(size + 1)
        nodes = np.cos((2 * np.arange(n) + 1) * math.pi / (2 * n))
        for k in range(len(self.arcs.cones)):
            rows = slice(k * n, (k + 1) * n)
            matrix[rows, rows] += sum(self.p) * _chebyshev(nodes, n)
            matrix[rows, size] = 1
            for s, p in enumerate(self.p):
                target, y, growth = self.move(s, k, nodes)
                matrix[rows, target * n : (target + 1) * n] -= p * _chebyshev(y, n)
                rhs[rows] += p * growth
        matrix[size, 0] = 1
        return matrix, rhs

    def decay(self) -> tuple[float, float]:
        """(log C, r) with |c_j| about C e^(-r j), from solutions in double precision."""
        arcs, n = len(self.arcs.cones), 24
        while arcs * n <= 3000:
            solution = np.abs(np.linalg.solve(*self.float_system(n))[:-1]).reshape(arcs, n)
            envelope = np.maximum.accumulate(solution.max(axis=0)[:0:-1])[::-1]  # of c_1, c_2, ...
            noise = envelope[n // 2]  # rounding errors, or what is left of the decay
            if noise <= 1e-6 * envelope[0] or envelope[0] < 1e-12:
                last = int(np.flatnonzero(envelope > 3 * noise)[-1]) if envelope[0] > 3e-12 else 0
                first = last // 2  # the later ones are closer to the asymptotic rate
                rate = 2.5 if last < 2 else math.log(envelope[first] / envelope[last]) / (last - first)
                return math.log(max(envelope[first], 1e-16)) + rate * (first + 1), rate
            n *= 2
        raise NotSolved("the Chebyshev coefficients decay too slowly: the arcs are close to not being mapped inside")

    def solve(self, n: int, digits: int) -> Series:
        """The series with n coefficients for each arc; residuals at the nodes of about 10^-(digits + 12)."""
        from flint import arb_mat, ctx

        size, bits = len(self.arcs.cones) * n, math.ceil(digits * math.log2(10)) + GUARD + 2 * n.bit_length()
        if size**2 * (bits // 8 + 100) > MAX_BYTES:
            raise NotSolved(f"{size} coefficients of {bits} bits need more memory than the search takes")
        with ctx.workprec(bits + 20):
            matrix, rhs = self._system(n)
            refinement = Refinement(matrix, self.float_system(n)[0], bits)
            solution, residual, level = arb_mat(size + 1, 1), rhs, exponent(rhs)
            for _ in range(3):
                if level <= -bits:
                    break
                solution = (solution + refinement.solved(residual, level + bits + 4)).mid()
                residual = rhs - matrix * solution
                level = exponent(residual)
            coefficients = [_rounded(x, bits) for x in solution.entries()]
        found = [coefficients[k * n : (k + 1) * n] for k in range(len(self.arcs.cones))]
        return Series(found, bits, Fraction(coefficients[size], 1 << bits), level * math.log10(2))

    def _system(self, n: int) -> tuple[Any, Any]:
        """The collocation equations without the last one, in arb, at the current precision."""
        from flint import arb, arb_mat, fmpq

        arcs, m = self.arcs, len(self.p)
        size, mass = len(arcs.cones) * n, arb(fmpq_of(sum(arcs.probabilities, start=Fraction(0))))
        table = [arb.cos_pi_fmpq(fmpq(i, 2 * n)) for i in range(4 * n)]
        lengths = [arb(fmpq_of(cone.reach)).log() / 2 for cone in arcs.cones]
        p, zero, one = [arb(fmpq_of(x)) for x in arcs.probabilities], arb(0), arb(1)
        matrix, rhs = arb_mat(size, size + 1), list[list[Any]]()
        for k in range(len(arcs.cones)):
            entries = [[arb(x) for x in arcs.moves[s][k][1]] for s in range(m)]
            for node in range(n):
                up = (lengths[k] * table[2 * node + 1]).exp()
                down, row, growth = 1 / up, [zero] * (size + 1), zero
                row[k * n : (k + 1) * n] = [mass * table[j * (2 * node + 1) % (4 * n)] for j in range(n)]
                for s, (a, b, c, d) in enumerate(entries):
                    target = arcs.moves[s][k][0]
                    first, second = (a * down + b * up).log(), (c * down + d * up).log()
                    growth += p[s] * (first + second) / 2
                    at = slice(target * n, (target + 1) * n)
                    row[at] = [x - p[s] * t for x, t in zip(row[at], _polynomials((second - first) / (2 * lengths[target]), n), strict=True)]
                row[size] = one
                for j, x in enumerate(row):
                    matrix[len(rhs), j] = x
                rhs.append([growth])
        return matrix, arb_mat(rhs)


def _polynomials(y: Any, n: int) -> list[Any]:
    """T_0(y), ..., T_(n-1)(y) in balls, by T_(a+b) = 2 T_a T_b - T_(a-b): the three-term recurrence would lose more than a bit for each degree."""
    found = [1 + 0 * y, y]
    for j in range(1, (n + 1) // 2):
        found.append(2 * (found[j] * found[j]) - 1)
        found.append(2 * (found[j] * found[j + 1]) - y)
    return found[:n]


def _chebyshev(y: Floats, n: int) -> Floats:
    values: Floats = np.cos(np.outer(np.arccos(np.clip(y, -1, 1)), np.arange(n)))
    return values


def _rounded(x: Any, bits: int) -> int:
    """x 2^bits to the nearest integer."""
    mantissa, exponent = (int(part) for part in x.mid().man_exp())
    shift = exponent + bits
    return mantissa << shift if shift >= 0 else (mantissa + (1 << (-shift - 1))) >> -shift
