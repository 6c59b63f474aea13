"""SGD for real at minima of three networks, N = 8 digits, 96 seeds from distance 1e-5: `python -m benchmarks.network_descent [mlp cnn transformer]`.

For each multiple of eta*: lambda, how many runs ended near the minimum / elsewhere / away / not yet, T2' on 12 of the ends, the largest difference of the
paired check at both radii (log residuals of real and linear runs on the same samples), and the measured rate against lambda in standard errors
("-": a slow mode has not had time to decay).
Processor seconds are those of the whole line. The Transformer takes a quarter of an hour (small lambda), the others one to three minutes each.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify import SGD
from verify.network import example, measured_rate, paired_check, threshold_ladders
from verify.network.radius_ladder import FACTORS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["mlp", "cnn", "transformer"])
    parser.add_argument("--runs", type=int, default=96)
    arguments = parser.parse_args()
    print(f"{'network':12} {'eta/eta*':>8} {'lambda':>9}  near elsewhere away unsettled  T2'   paired (two radii)    rate  seconds", flush=True)
    for name in arguments.networks:
        minimum = example(name)
        for factor in FACTORS:
            begun = time.process_time()
            ((_, ladder),) = threshold_ladders(minimum, SGD(1), (factor,), radii=(1e-5,), starts=arguments.runs, steps=100_000).items()
            check = paired_check(minimum, ladder.optimiser, runs=arguments.runs)
            rate = measured_rate(minimum, ladder.optimiser, runs=arguments.runs)
            rung = ladder.rungs[0]
            counts = f"{rung.near:5} {rung.elsewhere:9} {rung.away:4} {rung.unsettled:9}  {ladder.consistent!s:5}"
            paired = f"{check.difference[0]:.1e} {check.difference[1]:.1e} {check.verdict:9}"
            deviation = f"{rate.deviation:+5.1f}" if rate.relaxed else "    -"
            seconds = time.process_time() - begun
            print(f"{name:12} {factor:>8} {rate.exponent.value:+9.5f} {counts} {paired} {deviation}  {seconds:6.0f}", flush=True)


if __name__ == "__main__":
    main()
