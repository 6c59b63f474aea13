"""Time of each closed form: `python -m benchmarks.closed_forms` prints the rule, the length of the formula, and seconds, the slowest last.

Peer: none; no published tool derives closed forms of the Lyapunov exponents of SGD. The certified enclosure of one numeric instance is shown beside it.
"""

from __future__ import annotations

import time
from typing import Any

import sympy

from verify.symbolic import Exact, SymbolicProblem, closed_form, large_steps, mean_square_threshold, small_steps

ETA, A, B, K, S = sympy.symbols("eta a b k s", positive=True)
T, X, Y = sympy.symbols("theta x y", real=True)
GRAM, FEATURES, FAMILY, LAW = (getattr(SymbolicProblem, f"from_{source}") for source in ("gram", "features", "matrices", "population"))
HALF = "1/2"

PROBLEMS: dict[str, Any] = {
    "one sample": lambda: GRAM([[A]], ETA),
    "one parameter": lambda: FEATURES([[X], [Y]], ETA),
    "orthogonal gradients": lambda: GRAM([[A, 0], [0, B]], ETA),
    "components": lambda: GRAM([[A, 0, 0], [0, B, B], [0, B, B]], ETA),
    "full batch, N = 2": lambda: GRAM([[A, T], [T, B]], ETA, kind="gd"),
    "equal norms, c = 2": lambda: GRAM([[A, T], [T, A]], 2 / A),
    "scaled rotations": lambda: FAMILY([[[A, -T], [T, A]], [[B, 0], [0, B]]]),
    "triangular": lambda: FAMILY([[[A, 1, T], [0, B, 1], [0, 0, 2]], [[B, T, 0], [0, A, 0], [0, 0, 3]]]),
    "axes permuted": lambda: FAMILY([[[A, 0], [0, B]], [[0, A], [B, 0]]]),
    "Kaczmarz": lambda: FEATURES([[1, 0], [sympy.cos(T), sympy.sin(T)]], 1),
    "renewal": lambda: GRAM([[1, T], [T, B]], 1),
    "isotropic, d = 3": lambda: LAW("isotropic", 3, S, ETA),
    "isotropic, any d": lambda: LAW("isotropic", sympy.Symbol("d", integer=True, positive=True), S, ETA),
    "Gaussian, d = 1": lambda: LAW("gaussian", 1, S, ETA),
    "Gaussian, d = 2": lambda: LAW("gaussian", 2, S, ETA),
    "Gaussian, d = 3": lambda: LAW("gaussian", 3, S, ETA),
    "heavy ball, one sample": lambda: GRAM([[A]], ETA, momentum=HALF),
    "weight decay": lambda: GRAM([[A]], ETA, weight_decay=S),
}
FURTHER: dict[str, Any] = {
    "eta_ms, N = 2": lambda: mean_square_threshold(GRAM([[A, T], [T, B]], ETA)),
    "eta_ms, N = 3, numbers": lambda: mean_square_threshold(GRAM([[1, HALF, 0], [HALF, 2, HALF], [0, HALF, 3]], 1)),
    "small steps, order 2": lambda: small_steps(GRAM([[A, T], [T, B]], ETA)),
    "small steps, order 3": lambda: small_steps(GRAM([[A, T], [T, B]], ETA), 3),
    "large steps": lambda: large_steps(GRAM([[A, T], [T, B]], ETA)),
}


def main() -> None:
    rows = []
    makers = {name: (lambda build=build: closed_form(build(), enclose=False).lambda_) for name, build in PROBLEMS.items()} | FURTHER
    for name, make in makers.items():
        start = time.perf_counter()
        found = make()
        seconds = time.perf_counter() - start
        formula = len(str(found.expression)) if isinstance(found, Exact) else 0
        rows.append((seconds, name, found.rule if isinstance(found, Exact) else "NOT FOUND", formula))
    for seconds, name, rule, length in sorted(rows):
        print(f"{name:28} {rule:34} {length:6} characters {seconds:7.2f} s")


if __name__ == "__main__":
    main()
