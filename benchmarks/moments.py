"""Moments: `python -m benchmarks.moments` prints the mean-square step size with verified digits beside a plain eigenvalue computation, and times of L(p).

K = Z Z^T / (2 N), Z (N, 2 N) standard normal. The peer is what one writes with SciPy: eigenvectors of K, then Lanczos iteration (`eigsh`) on S of E11 in
the eigenbasis, in doubles, nothing verified. Times are seconds of processor time on one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from verify import SGD, Problem, escape_exponent, joint_spectral_radius, mean_square_step_size, moment
from verify.moments import cloned_moment

PAIR = [["1", "1/2"], ["1/2", "2"]]
THREE = [["1", "1/2", "0"], ["1/2", "2", "1/3"], ["0", "1/3", "3/2"]]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def peer(gram: np.ndarray) -> float:
    """eta_ms = 1 / rho(S) in doubles."""
    kappa, v = np.linalg.eigh(gram)
    cauchy = kappa[:, None] * kappa / (kappa[:, None] + kappa)

    def apply(q: np.ndarray) -> np.ndarray:
        return np.asarray(np.einsum("ia,ai->i", v, ((v.T @ (q.ravel()[:, None] * v)) * cauchy) @ v.T))

    operator = LinearOperator(gram.shape, matvec=apply, dtype=float)
    return float(1 / eigsh(operator, k=1, which="LA", v0=np.diag(gram), tol=1e-14, return_eigenvectors=False)[0])


def step_sizes() -> None:
    print("mean-square step size, batch 1\n    N  eta_ms                 verified digits   seconds   peer: seconds   difference")
    for size in (10, 100, 300, 1000):
        z = np.random.default_rng(1).standard_normal((size, 2 * size))
        gram = z @ z.T / (2 * size)
        found, seconds = timed(lambda gram=gram: mean_square_step_size(Problem.measured(gram, SGD("1"))))
        plain, peer_seconds = timed(lambda gram=gram: peer(gram))
        digits = -math.log10(float(found.width / found.hi))
        print(f"{size:5d}  {float(found.lo):<22.16g} {digits:12.1f} {seconds:13.2f} {peer_seconds:13.2f} {plain - float(found.lo):14.1e}")


def rows() -> list[tuple[str, Callable[[], Any]]]:
    cone, three = Problem.from_gram(PAIR, SGD("101/100")), Problem.from_gram(THREE, SGD("101/100"))
    fibonacci = Problem.from_matrices([[[0, 1], [1, 1]], [[0, 1], [1, -1]]])
    six = np.random.default_rng(0).integers(-9, 10, (6, 8))
    large = Problem.from_gram((six @ six.T).tolist(), SGD("1/500"))
    return [
        ("N = 2: L(2), 12 digits", lambda: moment(cone, 2)),
        ("N = 2: L(2), 100 digits", lambda: moment(cone, 2, width="1e-100")),
        ("N = 2: L(20), 12 digits", lambda: moment(cone, 20)),
        ("N = 6: L(2), 12 digits", lambda: moment(large, 2)),
        ("N = 6: L(4), 12 digits", lambda: moment(large, 4)),
        ("N = 2: L(4), certificate", lambda: moment(cone, 4, certificate=True)),
        ("N = 2: L(1/2), width 1e-5", lambda: moment(cone, "1/2")),
        ("N = 2: L(7/2), width 1e-6", lambda: moment(cone, "7/2", width="1e-6", estimate=False)),
        ("Fibonacci: L(1/2), width 1e-5", lambda: moment(fibonacci, "1/2", estimate=False)),
        ("Fibonacci: L(3), width 1e-6", lambda: moment(fibonacci, 3, width="1e-6", estimate=False)),
        ("N = 3: L(3), convexity", lambda: moment(three, 3, estimate=False)),
        ("N = 3: L(3), cloning", lambda: cloned_moment(three, 3)),
        ("N = 2: alpha, width 1e-3", lambda: escape_exponent(cone)),
        ("N = 3: alpha, convexity", lambda: escape_exponent(three, estimate=False)),
        ("Fibonacci: rho_JSR", lambda: joint_spectral_radius(fibonacci)),
    ]


def main() -> None:
    step_sizes()
    print("\njob                              lo               hi               width     seconds   rigour")
    for name, work in rows():
        found, seconds = timed(work)
        lo, hi = float(found.lo), float(found.hi)
        print(f"{name:32} {lo:<16.10g} {hi:<16.10g} {float(found.hi - Fraction(found.lo)):8.1e} {seconds:9.3f}   {found.rigour.value}")


if __name__ == "__main__":
    main()
