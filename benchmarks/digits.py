"""Digits of dominated families, proved, beside the methods that one would use instead; run `python -m benchmarks.digits` (about a minute on one core).

Seconds are CPU seconds of this process. Ours: search and check of the ball certificate, after a first call that imports everything. `error` of a peer is its
distance from our enclosure; the peers prove nothing. For the sampling loops `to 1e-50` is what the error law 1/sqrt(time) makes of their time; cycle
expansions get longer words until 100 digits or until one takes half of five seconds.
"""

from __future__ import annotations

import argparse
import math
import time
from fractions import Fraction

from benchmarks.peers import cycle_expansion, mpmath_loop, ulam
from benchmarks.planar import K2, POLLICOTT, peer_seconds, sgd
from verify.certificate.check_balls import check_balls
from verify.exponent.dominated import Digits, lambda_digits
from verify.exponent.question import Question
from verify.family import MatrixFamily

JOBS: list[tuple[str, MatrixFamily, tuple[int, ...]]] = [
    ("Pollicott 2010", POLLICOTT, (30, 100, 300, 1000)),
    ("K = [[1, 1/2], [1/2, 2]], eta = 1/4", sgd(K2, "1/4"), (30, 100, 300)),
    ("K = [[1, 1/2], [1/2, 2]], eta = 2/5", sgd(K2, "2/5"), (30, 100, 300)),
]


def enclosure(family: MatrixFamily, digits: int) -> tuple[Digits, float, float]:
    """(result, seconds in all, seconds of the check alone)."""
    subject = {"matrices": [[[str(x) for x in row] for row in a] for a in family.matrices], "weights": [str(p) for p in family.probabilities]}
    began = time.process_time()
    found = lambda_digits(Question(None, None, family, deadline=time.monotonic() + 120), subject, digits)
    whole = time.process_time() - began
    assert isinstance(found, Digits), found
    began = time.process_time()
    check_balls(found.certificate)
    return found, whole, time.process_time() - began


def row(name: str, setting: str, seconds: float, remark: str) -> None:
    print(f"  {name:28}{setting:>16}{seconds:10.3f} s   {remark}", flush=True)


def peers(family: MatrixFamily, exact: Fraction, budget: float) -> None:
    """Each peer with its error."""
    value, half_width = mpmath_loop(family, budget)
    remark = f"error {abs(value - float(exact)):.0e}, 95 % half-width {half_width:.0e}; to 1e-50: {budget * (half_width * 1e50) ** 2:.0e} s"
    row("mpmath loop, 50 digits", f"{budget:g} s", budget, remark)
    seconds = peer_seconds(family)
    row("NumPy loop", "to 1e-3", seconds, f"95 %; to 1e-12: {seconds * 1e18:.0e} s")
    for cells in (1000, 10_000, 100_000):
        began = time.process_time()
        value = ulam(family, cells)
        row("Ulam", f"{cells} cells", time.process_time() - began, f"error {abs(value - float(exact)):.0e}")
    length, seconds, error = 4, 0.0, 1.0
    while seconds < budget / 2 and error > 1e-100 and length <= 20:
        began = time.process_time()
        value = cycle_expansion(family, length, 500)
        seconds = time.process_time() - began
        mantissa, exponent = (int(x) for x in value.mid().man_exp())
        error = abs(float(Fraction(mantissa) * Fraction(2) ** exponent - exact))
        words = sum(len(family.matrices) ** n for n in range(1, length + 1))
        row("cycle expansion [P10]", f"words <= {length}", seconds, f"error {error:.0e} ({words} products)")
        length += 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 300 digits, and one second for each peer")
    quick = parser.parse_args().quick
    enclosure(POLLICOTT, 20)  # imports
    for name, family, ladder in JOBS:
        print(name)
        for digits in ladder:
            if digits > 300 and quick:
                continue
            found, whole, checking = enclosure(family, digits)
            size = len(found.certificate["proof"]["parts"][0]["arcs"]["coefficients"][0])
            reached = math.log10(float((found.hi - found.lo) * 10**digits))
            row("proved enclosure", f"{digits} digits", whole, f"width 1e{-digits + reached:.1f}, of which check {checking:.3f} s, {size} coefficients")
        peers(family, (found.lo + found.hi) / 2, 1.0 if quick else 5.0)


if __name__ == "__main__":
    main()
