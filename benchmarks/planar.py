"""The planar sandwich: time to find and to check a proof, against the loop that a user would write.

    python -m benchmarks.planar          about one and a half minutes on one core
    python -m benchmarks.planar --quick  without the widths that need ten seconds

The peer is a plain NumPy loop (v <- A_s v, renormalise, add the logarithm); it is run for a second per family and its time to a 95 % half-width of 1e-3 is
extrapolated by the square-root law, as is its time to half of the proved width (`same`). It proves nothing. `ratio` is the time to 1e-3 over search plus check.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify.certificate.check import check
from verify.certificate.format import claim, seal
from verify.exponent.planar import planar_sandwich, small_sign_certificate
from verify.family import MatrixFamily

HALF = ("1/2", "1/2")


def sgd(gram: list[list[Any]], step_size: str, weights: tuple[str, str] = HALF) -> MatrixFamily:
    (a, b), (_, d) = [[Fraction(x) for x in row] for row in gram]
    eta = Fraction(step_size)
    return MatrixFamily.from_matrices([[[1 - eta * a, 0], [-eta * b, 1]], [[1, -eta * b], [0, 1 - eta * d]]], weights)


K2 = [[1, "1/2"], ["1/2", 2]]
ROUGH = sgd([[1, "9/10"], ["9/10", 2]], "128044/100000")
FIBONACCI = MatrixFamily.from_matrices([[[0, 1], [1, 1]], [[0, 1], [1, -1]]], HALF)
POLLICOTT = MatrixFamily.from_matrices([[[2, 1], [1, 1]], [[3, 1], [2, 1]]], HALF)

CASES: list[tuple[str, MatrixFamily, str | None]] = [
    ("K12=1/2, eta=101/100", sgd(K2, "101/100"), None),
    ("K12=1/2, eta=101/100", sgd(K2, "101/100"), "1e-9"),
    ("K12=1/2, eta=101/100", sgd(K2, "101/100"), "1e-12"),
    ("K12=1/2, eta=13/10", sgd(K2, "13/10"), None),
    ("K12=1/2, eta=13/10", sgd(K2, "13/10"), "1e-9"),
    ("K12=9/10, eta=3/5", sgd([[1, "9/10"], ["9/10", 4]], "3/5"), "1e-9"),
    ("Pollicott", POLLICOTT, "1e-9"),
    ("p=1/3,2/3, eta=21/20", sgd(K2, "21/20", ("1/3", "2/3")), "1e-9"),
    ("p=1/1000, eta=21/20", sgd(K2, "21/20", ("1/1000", "999/1000")), "1e-5"),
    ("eta*-1e-10", sgd(K2, "1.0508256807"), None),
    ("eta*+1e-10", sgd(K2, "1.0508256809"), None),
    ("rough, lambda=1.2e-5", ROUGH, None),
    ("rough, lambda=1.2e-5", ROUGH, "1e-4"),
    ("random Fibonacci", FIBONACCI, None),
    ("random Fibonacci", FIBONACCI, "1e-4"),
]
SLOW: list[tuple[str, MatrixFamily, str | None]] = [("rough, lambda=1.2e-5", ROUGH, "1e-5"), ("random Fibonacci", FIBONACCI, "1e-5")]


def certificate(family: MatrixFamily, relation: str, value: Fraction, proof: dict[str, Any]) -> dict[str, Any]:
    matrices = [[[str(x) for x in row] for row in a] for a in family.matrices]
    subject = {"matrices": matrices, "weights": [str(p) for p in family.probabilities]}
    return seal([(claim(subject, "lambda", relation, value), proof)])


def peer_seconds(family: MatrixFamily, half_width: float = 1e-3, budget: float = 1.0) -> float:
    """Seconds that the plain loop needs to a 95 % half-width (extrapolated from `budget` seconds, batch means of 1000 steps)."""
    steps, p = family.as_floats()
    generator = np.random.default_rng(0)
    v = np.array([1.0, 0.5])
    means: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < budget or len(means) < 10:
        total = 0.0
        for s in generator.choice(len(p), size=1000, p=p):
            v = steps[s] @ v
            size = math.sqrt(v[0] * v[0] + v[1] * v[1])
            total += math.log(size)
            v = v / size
        means.append(total / 1000)
    elapsed = time.perf_counter() - began
    reached = 1.96 * float(np.std(means, ddof=1)) / math.sqrt(len(means))
    return elapsed * (reached / half_width) ** 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the widths that need ten seconds")
    quick = parser.parse_args().quick
    planar_sandwich(POLLICOTT)  # imports
    print(f"{'family':24}{'goal':>7}{'search':>9}{'check':>8}{'width':>10}{'cones':>7}{'pieces':>8}{'peer 1e-3':>11}{'ratio':>8}{'same':>10}")
    for name, family, goal in CASES if quick else CASES + SLOW:
        began = time.perf_counter()
        result = planar_sandwich(family, width=None if goal is None else Fraction(goal), time_limit=30)
        search = time.perf_counter() - began
        if result.lower is None or result.upper is None or result.reason:
            print(f"{name:24}{goal or 'sign':>7}{search:9.3f}  {result.reason}")
            continue
        began = time.perf_counter()
        check(certificate(family, ">=", result.lower.value, result.lower.proof))
        check(certificate(family, "<=", result.upper.value, result.upper.proof))
        checking = time.perf_counter() - began
        peer = peer_seconds(family)
        width, ratio = float(result.upper.value - result.lower.value), peer / (search + checking)
        row = f"{name:24}{goal or 'sign':>7}{search:9.3f}{checking:8.3f}{width:10.1e}{result.cones:7}{result.pieces:8}"
        print(f"{row}{peer:11.3f}{ratio:8.2f}{peer * (2e-3 / width) ** 2:10.1e}", flush=True)
    for eta in ("101/100", "105/100", "11/10"):
        began = time.perf_counter()
        found = small_sign_certificate(sgd(K2, eta))
        took = time.perf_counter() - began
        text = "none" if found is None else f"lambda {found[0]} 0, degree {found[1]['degree']}, cones {found[1]['cones']}, forms {found[1]['forms']}"
        print(f"small certificate, eta={eta}: {text} ({took:.2f} s)")


if __name__ == "__main__":
    main()
