"""Speed of the Monte Carlo estimate of lambda on one core, next to the numpy loop that one would write; run `python benchmarks/montecarlo.py`.

K = Z Z^T / (2 N) with Z (N, 2 N) standard normal, step size 2.2 / mean K_ii, batch 1, uniform. `steps/s` counts the steps after the burn-in over
the whole time of a call, set-up and burn-in included. `time to 1e-3` is the time of a long run times (half-width / 1e-3)^2, at 99% confidence (for large N
an extrapolation to less than a set-up, of which only the ratio means something); `call` is the measured time of a call with target_half_width=1e-3.
The peer moves one vector by r -= eta r_i K_i with indices drawn in advance, renormalises every 10 steps, and takes Student's interval from 32 batches.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from time import perf_counter

import numpy as np
from scipy.special import stdtrit

from verify.exponent.montecarlo import sgd_growth

FIRST_CALL = """
from time import perf_counter
start = perf_counter()
from verify.exponent.montecarlo import sgd_growth
sgd_growth([[{d}, 0.1, 0, 0, 0.1], [0.1, 1, 0.1, 0, 0], [0, 0.1, 1, 0.1, 0], [0, 0, 0.1, 1, 0.1], [0.1, 0, 0, 0.1, 1]], 1.5, batch={batch}, steps=1000)
print(perf_counter() - start)
"""


def numpy_loop(gram: np.ndarray, eta: float, steps: int) -> tuple[float, float]:
    """(estimate, half-width at 99%) from one chain of `steps` steps."""
    rng = np.random.default_rng(0)
    scaled, r = eta * gram, rng.standard_normal(len(gram))
    logs = []
    for indices in rng.integers(len(gram), size=(steps // 10, 10)).tolist():
        for i in indices:
            r -= r[i] * scaled[i]
        norm = np.linalg.norm(r)
        logs.append(np.log(norm))
        r /= norm
    batches = np.array(logs[: len(logs) // 32 * 32]).reshape(32, -1).mean(axis=1) / 10
    return float(batches.mean()), float(stdtrit(31, 0.995) * batches.std(ddof=1) / np.sqrt(32))


def first_call(cache: str, batch: int) -> float:
    """Seconds from a fresh interpreter's first import to the first estimate."""
    output = subprocess.run(
        [sys.executable, "-c", FIRST_CALL.format(d=1, batch=batch)], env={**os.environ, "NUMBA_CACHE_DIR": cache}, capture_output=True, text=True, check=True
    )
    return float(output.stdout)


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print("    N     lambda  half-width    steps/s  | numpy    steps/s  | time to 1e-3: ours     numpy  ratio |  call")
    for size in (2, 4, 8, 32, 128, 1024):
        z = np.random.default_rng(1).standard_normal((size, 2 * size))
        gram = z @ z.T / (2 * size)
        eta = 2.2 / float(np.diag(gram).mean())
        sgd_growth(gram, eta, steps=1000)  # compile
        steps = 10_000_000 if size > 500 else 100_000_000
        start = perf_counter()
        ours = sgd_growth(gram, eta, steps=steps, time_limit=60)
        seconds = perf_counter() - start
        start = perf_counter()
        sgd_growth(gram, eta, target_half_width=1e-3)
        call = perf_counter() - start
        peer_steps = 600_000
        start = perf_counter()
        value, half_width = numpy_loop(gram, eta, peer_steps)
        peer_seconds = perf_counter() - start
        agree = "" if abs(value - ours.value) < 2 * (half_width + ours.half_width) else f"  THE TWO DISAGREE: numpy has {value:.3g}"
        need, peer_need = seconds * (ours.half_width / 1e-3) ** 2, peer_seconds * (half_width / 1e-3) ** 2
        print(
            f"{size:5d} {ours.value:10.6f} {ours.half_width:11.1e} {ours.steps / seconds:10.2e}  |       {peer_steps / peer_seconds:10.2e}  |"
            f"     {need:10.2e} s {peer_need:8.2e} s {peer_need / need:6.0f} | {call:.3f} s{agree}"
        )
    for batch in (1, 2):
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = first_call(cache, batch), first_call(cache, batch)
            print(f"first estimate of a process, batch {batch}: {cold:.2f} s with an empty cache, {warm:.2f} s from the cache")


if __name__ == "__main__":
    main()
