"""Critical step sizes of two data points: brackets with certified ends, and whole sets of step sizes; run `python -m benchmarks.thresholds` (two minutes).

Processor seconds, the trusted checker included. The peer is the NumPy loop of `benchmarks.planar` at the ends of the bracket, extrapolated to the time in
which it would know both signs at 95 % confidence (half-width = half of what lambda is there); it proves nothing and says nothing about the step sizes between.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.planar import peer_seconds
from verify import SGD, Problem
from verify.threshold.box import sign_in_box

SMOOTH = Problem.from_gram([["1", "1/2"], ["1/2", "2"]], SGD("1"))
ROUGH = Problem.from_gram([["1", "9/10"], ["9/10", "2"]], SGD("1"))
ISLANDS = Problem.from_gram([["1", "3"], ["3", "10"]], SGD("1"))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    found = work()
    return found, time.process_time() - began


def bracket(name: str, problem: Problem, width: str, time_limit: float) -> None:
    found, seconds = timed(lambda: problem.threshold(width, time_limit=time_limit))
    drift = 0.1 * float(found.width)  # lambda at the ends is of the order of the slope times the width
    peer = sum(peer_seconds(problem.at(eta).family, drift / 2, 0.5) for eta in (found.lo, found.hi))
    print(f"{name:34} threshold {width:>8}: {seconds:6.2f} s, width {float(found.width):.1e}, certified {found.certified}; loop: {peer:.0e} s", flush=True)


def whole(name: str, problem: Problem, width: str, time_limit: float) -> None:
    found, seconds = timed(lambda: problem.stability_set(width, time_limit=time_limit))
    claims = sum(len(c["claim"].get("all", [0])) for c in found.certificates)
    gaps = ", ".join(f"{float(hi - lo):.1e}" for lo, hi in found.gaps[:4] if hi is not None)
    interval = {True: "an interval", False: "not an interval", None: "open"}[found.is_interval]
    print(f"{name:34} set {width:>14}: {seconds:6.2f} s, {claims} ranges, gaps {gaps}{' ...' * (len(found.gaps) > 4)}; {interval}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the rough and the island family")
    quick = parser.parse_args().quick
    SMOOTH.at("101/100").lyapunov()  # imports
    bracket("K = [[1, 1/2], [1/2, 2]]", SMOOTH, "1e-9", 60)
    bracket("K = [[1, 1/2], [1/2, 2]]", SMOOTH, "1e-12", 60)
    whole("K = [[1, 1/2], [1/2, 2]]", SMOOTH, "1/1000", 60)
    whole("K = [[1, 1/2], [1/2, 2]]", SMOOTH, "1e-6", 60)
    for eta, radius in (("101/100", "1/1000"), ("11/10", "1/1000")):
        found, seconds = timed(lambda eta=eta, radius=radius: sign_in_box(SMOOTH.at(eta), Fraction(radius)))
        print(f"{'K within ' + radius + ', step size ' + eta:34} box: {seconds:21.2f} s, {found}", flush=True)
    if not quick:
        bracket("K = [[1, 9/10], [9/10, 2]]", ROUGH, "2.5e-6", 90)
        whole("K = [[1, 9/10], [9/10, 2]]", ROUGH, "1/500", 60)
        whole("K = [[1, 3], [3, 10]]", ISLANDS, "1/50", 40)


if __name__ == "__main__":
    main()
