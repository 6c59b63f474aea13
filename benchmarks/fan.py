"""Three to six data points: time to prove the sign of lambda, enclosures against time, and what stays undecided between the two ends of E6.

    python -m benchmarks.fan            about five minutes on one core
    python -m benchmarks.fan --quick    half a minute

CPU seconds of the whole answer, the trusted check included. `MC` is a simulation of one second (99 % confidence); it proves nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify import SGD, Problem, load_problem
from verify.exponent.fan import fan_sandwich
from verify.exponent.montecarlo import family_growth
from verify.threshold.bracket import critical_bracket
from verify.threshold.undecided import undecided_steps

TEST = [[1, "1/2", "1/5"], ["1/2", 2, "-3/10"], ["1/5", "-3/10", 3]]
SECOND = [[17, 8, 8], [8, 9, 2], [8, 2, 8]]


def gram(generator: np.random.Generator, n: int) -> list[list[int]]:
    """A random integer Gram matrix of full rank whose E6 bracket is not narrow."""
    while True:
        g = generator.integers(-3, 4, size=(n, n))
        k = (g @ g.T).tolist()
        if abs(np.linalg.det(g)) > 0.5:
            problem = Problem.from_gram(k, SGD(1))
            bracket = critical_bracket(*problem.exact)  # type: ignore[arg-type]
            if bracket.upper[0] > Fraction(11, 10) * bracket.lower:
                return k


def simulated(problem: Problem) -> str:
    growth = family_growth(*problem.family.as_floats(), time_limit=1.0)
    return f"{growth.value:9.4f} +- {growth.half_width:.4f}"


def row(name: str, problem: Problem, width: str | None = None, time_limit: float = 20.0) -> None:
    estimate = simulated(problem)
    began, wall = time.process_time(), time.perf_counter()
    found = problem.lyapunov(width, time_limit=time_limit, estimate=False)
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    size = len(json.dumps(found.certificate)) / 1e6
    print(f"{name:34}{estimate:>20}  {found!s:95.95}{cpu:7.1f} s CPU {wall:6.1f} s{size:6.1f} MB", flush=True)


def signs(quick: bool) -> None:
    print("signs: problem, MC, answer, time, certificate")
    for eta in ("67/100", "68/100", "70/100", "75/100")[2 if quick else 0 :]:
        row(f"test model, eta={eta}", Problem.from_gram(TEST, SGD(eta)), time_limit=30)
    for eta in ("75/563", "137/875", "138/767"):
        row(f"second model, eta={eta}", Problem.from_gram(SECOND, SGD(eta)))
    row("second model, weights 1/1000", Problem.from_gram(SECOND, SGD("138/767", weights=[1, 499, 500])))
    generator = np.random.default_rng(5)
    for n in (3, 4, 5, 6):
        for k in range(1 if quick else 3):
            problem = Problem.from_gram(gram(generator, n), SGD(1))
            bracket = critical_bracket(*problem.exact)  # type: ignore[arg-type]
            for share in (Fraction(1, 5), Fraction(4, 5)):
                eta = (bracket.lower + share * (bracket.upper[0] - bracket.lower)).limit_denominator(1000)
                row(f"random N={n} number {k}, {share} of E6", problem.at(eta))


def widths(quick: bool) -> None:
    print("enclosures: CPU seconds of the search, cones, pieces, enclosure, width")
    for name, k, eta in (("test model", TEST, "3/4"), ("second model", SECOND, "138/767"), ("second model", SECOND, "75/563")):
        family = Problem.from_gram(k, SGD(eta)).family
        for seconds in (2, 8) if quick else (2, 8, 30, 60):
            began = time.process_time()
            found = fan_sandwich(family, width=Fraction(1, 10**4), time_limit=seconds)
            cpu = time.process_time() - began
            if found.lower and found.upper:
                lo, hi = float(found.lower.value), float(found.upper.value)
                print(f"{name:14} eta={eta:8} {cpu:6.1f} s {found.cones:6} {found.pieces:7} [{lo:.5f}, {hi:.5f}] {hi - lo:.1e}", flush=True)


def undecided(quick: bool) -> None:
    print("undecided part of E6's bracket: 9 step sizes, 5 s each")
    generator = np.random.default_rng(5)
    models: list[tuple[str, Any]] = [("test model", TEST), ("second model", SECOND)]
    models += [(f"random N={n}", gram(generator, n)) for n in (3, 4, 5, 6)]
    for name, k in models[: 3 if quick else None]:
        print(f"{name:14} {undecided_steps(Problem.from_gram(k, SGD(1)), points=9, time_limit=45)}", flush=True)
    iris = load_problem("example:iris-four")
    print(f"{'iris-four':14} {undecided_steps(iris, points=9, time_limit=45)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer problems and shorter times")
    quick = parser.parse_args().quick
    for part in (signs, widths, undecided):
        part(quick)


if __name__ == "__main__":
    main()
