"""Bernstein ellipses for the bound between the nodes, chosen in floating point: 4 M rho^-(N-1)/(rho - 1), M = sum p_s (growth_s + sum_j |c_j| rho_s^j)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arcs import Floats
from ._poisson import Poisson

CANDIDATES = 48
ANGLES = 65
INSIDE = 0.97  # of the strip in which the logarithms are analytic


class Ellipses:
    """For every arc, candidates for rho, and what each step makes of them."""

    def __init__(self, poisson: Poisson) -> None:
        self.poisson = poisson

    @cached_property
    def images(self) -> list[tuple[Floats, list[tuple[int, Floats, Floats]]]]:
        """Per arc: log rho, and per step (target, log rho' of the ellipse around the image, the growth's variation), for every candidate."""
        found = []
        angles = np.linspace(0, math.pi, ANGLES)
        for k, length in enumerate(self.poisson.lengths):
            widest = math.asinh(INSIDE * math.pi / 2 / length)
            logs = widest * np.arange(1, CANDIDATES + 1) / CANDIDATES
            y = np.cosh(logs[:, None] + 1j * angles[None, :])
            steps = []
            for s in range(len(self.poisson.p)):
                target, w, growth = self.poisson.move(s, k, y)
                centre = self.poisson.move(s, k, np.zeros(1))[2]
                axis = np.maximum((np.abs(w - 1) + np.abs(w + 1)).max(axis=1) / 2, 1)
                steps.append((target, np.arccosh(axis), np.abs(growth - centre).max(axis=1)))
            found.append((logs, steps))
        return found

    def best(self, k: int, n: int, log_sizes: list[NDArray[Any]]) -> tuple[Fraction, float]:
        """(rho, log10 of the bound) for arc k with n coefficients per arc of the given logarithmic sizes."""
        logs, steps = self.images[k]
        total = np.full(len(logs), -math.inf)
        with np.errstate(divide="ignore"):
            for p, (target, image, growth) in zip(self.poisson.p, steps, strict=True):
                terms = log_sizes[target][None, :] + image[:, None] * np.arange(n)[None, :]
                parts = np.column_stack([np.log(growth), terms])
                total = np.logaddexp(total, np.log(p) + np.logaddexp.reduce(parts, axis=1))
        bound = math.log(4) + total - (n - 1) * logs - np.log(np.expm1(logs))
        i = int(np.argmin(bound))
        return Fraction(float(np.exp(logs[i]))).limit_denominator(10**6), float(bound[i]) / math.log(10)

    def terms(self, digits: int, log_size: float, rate: float, most: int) -> int:
        """The smallest number of coefficients, about, whose bound is below 10^-digits if they decay like exp(log_size - rate j)."""
        n = max(8, int(digits * math.log(10) / rate / 2))
        while n <= most:
            sizes = [log_size - rate * np.arange(n)] * len(self.images)
            worst = max(self.best(k, n, sizes)[1] for k in range(len(sizes)))
            if worst <= -digits:
                break
            n += max(1, int(0.8 * n * (worst + digits) / max(digits, 1))) if worst < 0 else n
        return math.ceil(1.03 * n) + 2  # a little more costs less than a second solution
