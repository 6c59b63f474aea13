"""The compiled inner loop of the cheap estimates of lambda: many cases, few chains, shared draws. Imports numba; imported only when lambda is estimated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exponent.kernels import compiled

SPACING = 4
# A product that has vanished counts as this much growth per step.
VANISHED = -690.0


@compiled
def grow_planar(steps: Any, draws: Any, start: Any, burn: int, growth: Any) -> None:
    """The same as `grow` for n = 2, without inner loops."""
    length, chains = draws.shape
    for p in range(steps.shape[0]):
        for c in range(chains):
            x, y, total = start[c, 0], start[c, 1], 0.0
            for t in range(0, length, SPACING):
                for k in range(t, t + SPACING):
                    s = draws[k, c]
                    x, y = steps[p, s, 0, 0] * x + steps[p, s, 0, 1] * y, steps[p, s, 1, 0] * x + steps[p, s, 1, 1] * y
                norm = abs(x) + abs(y)
                if norm == 0.0:
                    total = VANISHED * (length - burn)
                    break
                if t >= burn:
                    total += math.log(norm)
                x /= norm
                y /= norm
            growth[p, c] = total / (length - burn)


@compiled
def grow(steps: Any, draws: Any, start: Any, burn: int, growth: Any) -> None:
    """growth[p, c] = mean log growth per step of chain c of case p after `burn` steps; steps (P, m, n, n), draws (T, C), start (C, n), growth (P, C)."""
    cases, _, n, _ = steps.shape
    length, chains = draws.shape
    v = np.zeros(n)
    w = np.zeros(n)
    for p in range(cases):
        for c in range(chains):
            for i in range(n):
                v[i] = start[c, i]
            total = 0.0
            for t in range(length):
                s = draws[t, c]
                for i in range(n):
                    x = 0.0
                    for j in range(n):
                        x += steps[p, s, i, j] * v[j]
                    w[i] = x
                for i in range(n):
                    v[i] = w[i]
                if t % SPACING == SPACING - 1:
                    norm = 0.0
                    for i in range(n):
                        norm += abs(v[i])
                    if norm == 0.0:
                        total = VANISHED * (length - burn)
                        break
                    if t >= burn:
                        total += math.log(norm)
                    for i in range(n):
                        v[i] /= norm
            growth[p, c] = total / (length - burn)
