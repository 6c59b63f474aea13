"""Other ways to a Lyapunov exponent, written plainly: what the benchmarks put beside this package. None of them proves anything.

`family.matrices` are 2 x 2 with probabilities that sum to one. The NumPy loop is in `benchmarks.planar`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from verify.family import MatrixFamily


def mpmath_loop(family: MatrixFamily, seconds: float, digits: int = 50) -> tuple[float, float]:
    """(mean, 95 % half-width) of one chain with `digits` digits: a step, a norm, a logarithm; batch means of 500 steps."""
    import mpmath

    generator, means = random.Random(0), list[float]()
    with mpmath.workdps(digits):
        steps = [[[mpmath.mpf(x.numerator) / x.denominator for x in row] for row in a] for a in family.matrices]
        weights = [float(p) for p in family.probabilities]
        x, y, began = mpmath.mpf(1), mpmath.mpf("0.5"), time.perf_counter()
        while time.perf_counter() - began < seconds or len(means) < 8:
            total = mpmath.mpf(0)
            for (a, b), (c, d) in generator.choices(steps, weights, k=500):
                x, y = a * x + b * y, c * x + d * y
                size = mpmath.sqrt(x * x + y * y)
                total += mpmath.log(size)
                x, y = x / size, y / size
            means.append(float(total / 500))
    return float(np.mean(means)), 1.96 * float(np.std(means, ddof=1)) / math.sqrt(len(means))


def ulam(family: MatrixFamily, cells: int) -> float:
    """Ulam's discretisation: the chain of cells of directions (linear interpolation of the image's midpoint), its stationary law by iteration, E log|Av|."""
    from scipy.sparse import csr_matrix

    matrices, p = family.as_floats()
    angles = (np.arange(cells) + 0.5) * math.pi / cells
    v = np.array([np.cos(angles), np.sin(angles)])
    transfer, growth = csr_matrix((cells, cells)), np.zeros(cells)
    for a, weight in zip(matrices, p, strict=True):
        w = a @ v
        place = np.arctan2(w[1], w[0]) % math.pi * cells / math.pi - 0.5
        cell, part = np.floor(place).astype(int), place - np.floor(place)
        entries = np.concatenate([weight * (1 - part), weight * part])
        transfer += csr_matrix((entries, (np.concatenate([cell % cells, (cell + 1) % cells]), np.tile(np.arange(cells), 2))), shape=(cells, cells))
        growth += weight * np.log(np.hypot(w[0], w[1]))
    law = np.full(cells, 1 / cells)
    for _ in range(10_000):
        after = transfer @ law
        done, law = float(np.abs(after - law).sum()) < 1e-14, after
        if done:
            break
    return float(law @ growth / law.sum())


def cycle_expansion(family: MatrixFamily, length: int, bits: int) -> Any:
    """The Fredholm determinant of [P10], [JM19] from all periodic products up to `length`, in arb (invertible, dominated families).

    d(z, t) = exp(-sum_n z^n/n sum_{|w| = n} p_w r_w^t / (1 - det A_w / r_w^2)), r_w the eigenvalue of larger modulus; lambda from its zero z(t) at t = 0.
    """
    from flint import arb, ctx, fmpq

    with ctx.workprec(bits):
        steps = [[arb(fmpq(x.numerator, x.denominator)) for row in a for x in row] for a in family.matrices]
        p = [arb(fmpq(x.numerator, x.denominator)) for x in family.probabilities]
        traces, derivatives, prefixes, previous = [arb(0)] * (length + 1), [arb(0)] * (length + 1), list[Any](), tuple[int, ...]()
        for word in lyndon_words(len(steps), length):
            common = 0
            while common < min(len(prefixes), len(word), len(previous)) and previous[common] == word[common]:
                common += 1
            del prefixes[common:]
            for s in word[common:]:
                a, b, c, d = steps[s]
                if prefixes:
                    (e, f, g, h), weight = prefixes[-1]
                    prefixes.append(([a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h], weight * p[s]))
                else:
                    prefixes.append((steps[s], p[s]))
            previous, n = word, len(word)
            (a, b, c, d), weight = prefixes[-1]
            determinant, trace = a * d - b * c, abs(a + d)
            largest = (trace + (trace * trace - 4 * determinant).sqrt()) / 2
            ratio, growth = determinant / largest**2, largest.log()
            for k in range(1, length // n + 1):
                term = n * weight**k / (1 - ratio**k)
                traces[n * k] += term
                derivatives[n * k] += term * k * growth
        a, slopes = [arb(1)], [arb(0)]
        for n in range(1, length + 1):
            a.append(-sum((traces[k] * a[n - k] for k in range(1, n + 1)), start=arb(0)) / n)
            slopes.append(-sum((derivatives[k] * a[n - k] + traces[k] * slopes[n - k] for k in range(1, n + 1)), start=arb(0)) / n)
        return sum(slopes, start=arb(0)) / sum((n * a[n] for n in range(1, length + 1)), start=arb(0))


def lyndon_words(letters: int, length: int) -> Iterator[tuple[int, ...]]:
    """All primitive words up to rotation, in lexicographic order (Duval)."""
    word = [-1]
    while word:
        word[-1] += 1
        yield tuple(word)
        n = len(word)
        while len(word) < length:
            word.append(word[-n])
        while word and word[-1] == letters - 1:
            word.pop()
