"""Speed of the Monte Carlo estimate of lambda, next to the numpy loop that one would write; run `python -m benchmarks.montecarlo` (about three minutes).

K = Z Z^T / (2 N) with Z (N, 2 N) standard normal, batch 1, uniform.

1. Kernel, one core: `steps/s` counts the steps of all chains, without set-up; `numpy` is the loop r -= eta r_i K_i of one vector, with indices drawn in
   advance and a renormalisation every 10 steps, timed in the same run.
2. Estimate, one core: step size 2.2 / mean K_ii. `time to 1e-3` is the time of a long run, set-up and burn-in included, times (half-width / 1e-3)^2, at
   99 % confidence (for large N an extrapolation to less than a set-up, of which only the ratio means something); numpy's interval is Student's from 32 batches.
3. Threshold, all cores: a bracket of a sign change of width 1e-3 (mean K_ii = 1) at 95 % confidence, from [1, 4]. numpy: what its loop would take to know the
   sign at the two ends, from its speed and its spread there, at the same confidence; the ratio is that of processor times.
4. Large N: K of N samples in float64 and float32, features of N / 8 columns, on one core and on all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from time import perf_counter, process_time

import numpy as np
from scipy.special import stdtrit

from verify.exponent.chains import SGDProblem
from verify.exponent.montecarlo import Source, features_growth, sgd_growth, sgd_threshold
from verify.exponent.sampling import available_cores

FIRST_CALL = """
from time import perf_counter
start = perf_counter()
from verify.exponent.montecarlo import sgd_growth
sgd_growth([[1, 0.1, 0, 0, 0.1], [0.1, 1, 0.1, 0, 0], [0, 0.1, 1, 0.1, 0], [0, 0, 0.1, 1, 0.1], [0.1, 0, 0, 0.1, 1]], 1.5, batch={batch}, steps=1000)
print(perf_counter() - start)
"""


def features(size: int, dimension: int) -> np.ndarray:
    """Z / sqrt(dimension): rows of norm about 1."""
    return np.random.default_rng(1).standard_normal((size, dimension)) / np.sqrt(dimension)


def gram(size: int) -> np.ndarray:
    """K with mean K_ii = 1."""
    x = features(size, 2 * size)
    k = x @ x.T
    return k / np.diag(k).mean()


def numpy_loop(k: np.ndarray, eta: float, steps: int) -> tuple[float, float, float]:
    """(estimate, its standard error from 32 batches, steps/s) from one chain of `steps` steps."""
    rng = np.random.default_rng(0)
    scaled, r = eta * k, rng.standard_normal(len(k))
    logs = []
    start = perf_counter()
    for indices in rng.integers(len(k), size=(steps // 10, 10)).tolist():
        for i in indices:
            r -= r[i] * scaled[i]
        norm = np.linalg.norm(r)
        logs.append(np.log(norm))
        r /= norm
    seconds = perf_counter() - start
    batches = np.array(logs[: len(logs) // 32 * 32]).reshape(32, -1).mean(axis=1) / 10
    return float(batches.mean()), float(batches.std(ddof=1) / np.sqrt(32)), steps / seconds


def kernel_speed(problem: SGDProblem, steps: int, threads: int = 1) -> float:
    """Steps per second of the chains, set-up not included (one thread: of processor time)."""
    run = problem.at(2.0, 1)[0].chains
    assert run is not None
    run.extend(0, 0.0)
    before, clock = run.steps, process_time if threads == 1 else perf_counter
    start = clock()
    run.extend(before + steps // run.count, float("inf"), threads)
    return (run.steps - before) * run.count / (clock() - start)


def first_call(cache: str, batch: int) -> float:
    """Seconds from a fresh interpreter's first import to the first estimate."""
    program = [sys.executable, "-c", FIRST_CALL.format(batch=batch)]
    return float(subprocess.run(program, env={**os.environ, "NUMBA_CACHE_DIR": cache}, capture_output=True, text=True, check=True).stdout)


def kernels() -> None:
    print("1. kernel on one core       steps/s     numpy   ratio")
    for size, steps in ((8, 400_000_000), (32, 150_000_000), (128, 50_000_000), (1024, 5_000_000)):
        k = gram(size)
        ours, peer = kernel_speed(Source.of(k, False).problem(1, True, None), steps), numpy_loop(k, 2.0, 200_000)[2]
        print(f"   N = {size:<20d} {ours:9.2e} {peer:9.2e} {ours / peer:7.0f}")


def estimates() -> None:
    print("2. estimate on one core   lambda  half-width  time to 1e-3: ours     numpy   ratio")
    for size in (2, 8, 32, 128, 1024):
        k = gram(size)
        start = perf_counter()
        ours = sgd_growth(k, 2.2, steps=5_000_000 if size > 500 else 50_000_000, time_limit=60, threads=1)
        need = (perf_counter() - start) * (ours.half_width / 1e-3) ** 2
        value, error, speed = numpy_loop(k, 2.2, 400_000)
        half_width = stdtrit(31, 0.995) * error
        agree = "" if abs(value - ours.value) < 2 * (half_width + ours.half_width) else f"  THE TWO DISAGREE: numpy has {value:.3g}"
        peer = 400_000 / speed * (half_width / 1e-3) ** 2
        print(f"   N = {size:<13d} {ours.value:12.6f} {ours.half_width:11.1e} {need:18.2e} s {peer:8.2e} s {peer / need:6.0f}{agree}")


def thresholds() -> None:
    print(f"3. threshold on {available_cores()} cores          bracket   seconds  processor      numpy   ratio")
    for size in (8, 32, 1024):
        k = gram(size)
        start, processor = perf_counter(), process_time()
        lo, hi, reason = sgd_threshold(k, lo=1.0, hi=4.0, width=1e-3, time_limit=120)
        seconds, processor = perf_counter() - start, process_time() - processor
        values = [sgd_growth(k, eta, steps=30_000_000, time_limit=60).value for eta in (lo, hi)]
        steps = 1_000_000 if size < 100 else 400_000
        _, error, speed = numpy_loop(k, lo, steps)
        peer = sum(steps / speed * (stdtrit(31, 0.975) * error / value) ** 2 for value in values)
        wrong = "" if values[0] < 0 < values[1] else f"  THE SIGNS AT THE ENDS ARE DOUBTFUL: {values}"
        print(f"   N = {size:<8d} [{lo:.6f}, {hi:.6f}] {seconds:9.1f} {processor:10.1f} {peer:10.2e} {peer / processor:7.0f}{reason}{wrong}")


def large(size: int = 8192) -> None:
    x = features(size, size // 8)
    k = np.eye(size) * 0.5 + x[:, :64] @ x[:, :64].T
    print(f"4. N = {size}: steps/s         one core  {available_cores()} cores   memory of the data")
    for name, data, factor in (("K, float64", k, False), ("K, float32", k.astype(np.float32), False), (f"X, D = {size // 8}, float64", x, True)):
        problem = Source.of(data, factor).problem(1, True, None)
        one, all_ = (kernel_speed(problem, 400_000, threads) for threads in (1, available_cores()))
        print(f"   {name:24s} {one:9.2e} {all_:9.2e} {data.nbytes / 2**20:12.0f} MiB")
    a, b = features_growth(x, 2.2, time_limit=5), sgd_growth(x @ x.T, 2.2, time_limit=5, seed=1)
    print(f"   lambda from X {a.value:.5g} +- {a.half_width:.1g}, from K = X X^T {b.value:.5g} +- {b.half_width:.1g}")


def main() -> None:
    kernels()
    estimates()
    thresholds()
    large()
    for batch in (1, 2):
        with tempfile.TemporaryDirectory() as cache:
            cold, warm = first_call(cache, batch), first_call(cache, batch)
            print(f"first estimate of a process, batch {batch}: {cold:.2f} s with an empty cache, {warm:.2f} s from the cache")


if __name__ == "__main__":
    main()
