"""The main job as a user runs it: thresholds, many digits of mu, the trusted checker, and the start of the command line.

    python -m benchmarks.main_job        about half a minute on one core

Every row is the median of three runs in this process after one warm-up, except the command line, which is a whole process. Signs and widths for two samples
are in `benchmarks.planar`, simulation in `benchmarks.montecarlo`, each beside the loop that a user would write instead.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from verify import SGD, Enclosure, GradientDescent, Problem, check, load_problem  # noqa: E402 (runs from a clone)

HELP = [sys.executable, "-c", "from verify.cli import main; main(['--help'])"]
K2 = [["1", "1/2"], ["1/2", "2"]]
K3 = [["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]]


def median_seconds(job: Callable[[], object]) -> float:
    job()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fifty_samples() -> Problem:
    rng = random.Random(0)
    features = [[Fraction(rng.randint(-99, 99), 10) for _ in range(60)] for _ in range(50)]
    return Problem.from_features(features, GradientDescent("1/100"))


def recheck(result: object) -> Callable[[], object]:
    assert isinstance(result, Enclosure)
    return lambda: check(result.certificate)


def main() -> None:
    planar, three, many = Problem.from_gram(K2, SGD("101/100")), Problem.from_gram(K3, SGD(1)), fifty_samples()
    rows: list[tuple[str, Callable[[], object]]] = [
        ("N = 2: sign with certificate, checked", lambda: planar.lyapunov()),
        ("N = 2: enclosure of width 1e-9, checked", lambda: planar.lyapunov("1e-9")),
        ("N = 2: the check of that certificate alone", recheck(planar.lyapunov("1e-9"))),
        ("N = 2: threshold of width 1e-9, every step certified", lambda: planar.threshold("1e-9")),
        ("N = 3: threshold of width 1e-3 (Monte Carlo, 95 %)", lambda: three.threshold("1e-3")),
        ("N = 50: mu, width 1e-12, checked", lambda: many.mu()),
        ("N = 50: mu, width 1e-40, checked", lambda: many.mu("1e-40")),
        ("iris-pair: both exponents, checked", lambda: load_problem("example:iris-pair").exponent()),
        ("sgd-verify --help (whole process)", lambda: subprocess.run(HELP, cwd=ROOT, capture_output=True, check=True)),
    ]
    for name, job in rows:
        print(f"{name:55s} {median_seconds(job):8.3f} s", flush=True)


if __name__ == "__main__":
    main()
