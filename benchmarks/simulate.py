"""Steps per second of real SGD; run `python -m benchmarks.simulate`.

Balls: residuals and weights of N = 2 samples at a fixed number of digits, one run, one core, conversions of the draws included (drawing them not).
Double precision: replicas of N samples with norms taken out, draws included. K = Z Z^T / (2 N) with Z (N, 2 N) standard normal, step size 2 / mean K_ii.
"""

from __future__ import annotations

import os
from fractions import Fraction
from time import perf_counter

import numpy as np
from flint import ctx

import verify
from verify.simulate.dynamics import parts_of
from verify.simulate.floats import mover
from verify.simulate.precise import System, balls, drawn, log_norm, parameters, residuals

HALF, ONE = Fraction(1, 2), Fraction(1)


def in_balls(system: System, start: list[Fraction], optimiser: verify.SGD, digits: int, steps: int) -> tuple[float, object]:
    """(steps per second, log |r| at the end)."""
    draws = drawn(optimiser, 2, steps, np.random.default_rng(0))
    with ctx.workprec(int(digits * 3.33)):
        begin = perf_counter()
        state = balls(start)
        for x in system.run(state, draws, "arb"):
            state = x
        seconds = perf_counter() - begin
        return steps / seconds, log_norm(system.residuals(state, "arb"), system.scale, "arb")


def in_doubles(size: int, batch: int, replicas: int, steps: int) -> float:
    """Steps per second of all replicas together."""
    z = np.random.default_rng(1).standard_normal((size, 2 * size))
    gram = z @ z.T / (2 * size)
    eta = Fraction(round(2e6 / float(np.diag(gram).mean())), 10**6)
    (part,) = parts_of(verify.Problem.measured(gram, verify.SGD(eta, batch)))
    move, growth = mover(part, replicas, 0), np.zeros(replicas)
    move(1, growth)  # compiles
    begin = perf_counter()
    move(steps, growth)
    return replicas * steps / (perf_counter() - begin)


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gram = ((ONE, HALF), (HALF, 2 * ONE))
    optimiser = verify.SGD("101/100")
    features = ((ONE, 2 * ONE), (HALF, ONE / 3))
    slow = verify.SGD("3/10")
    for name, system, scheme in (
        ("residuals", residuals(gram, optimiser), optimiser),
        ("weights", parameters(features, (ONE, ONE), slow), slow),
    ):
        for digits in (50, 500, 5000):
            steps = digits  # few enough that the balls keep most of their digits: arb shortens the numbers of a wide ball, and would be faster for nothing
            best = max((in_balls(system, [ONE, HALF], scheme, digits, steps) for _ in range(5)), key=lambda pair: pair[0])
            print(f"balls, N = 2, {name:9s} {digits:5d} digits: {best[0]:9.2e} steps/s   (log |r| after {steps} steps: {best[1]})")
    for size, batch in ((2, 1), (8, 1), (8, 2), (32, 1), (128, 1)):
        rate = max(in_doubles(size, batch, 1024, 40_000 // size) for _ in range(3))
        print(f"double precision, N = {size:3d}, batch {batch}: {rate:9.2e} steps/s")


if __name__ == "__main__":
    main()
