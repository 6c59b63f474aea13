"""Variants of SGD at a minimum of a network: `python -m benchmarks.network_variants` prints eta* of each and what real runs do on both sides of it.

An MLP with 1057 parameters on 8 of scikit-learn's digits, at an exact minimum; 32 runs from the distance 1e-5. Columns: factor of eta*, lambda by simulation
with its half-width at 99 %, fractions that converged near and that left (without a floor of double precision), rate of the real runs with its standard error,
median difference of log rms from the linear run on the same samples, steps. `--quick` has the first entry of every kind. Needs the extra `network`.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

from verify.network import example
from verify.network.variants import VARIANTS, Experiment

QUICK = ("SGD", "batch 2, with replacement", "epochs", "full batch", "heavy ball 1/2", "Nesterov 1/2", "warm-up")


def main() -> None:
    experiment, plain = Experiment(example("mlp", "digits", 8), steps=40_000, sampled=2_000_000), 0.0
    for variant in VARIANTS:
        if "--quick" in sys.argv[1:] and variant.name not in QUICK:
            continue
        start = time.process_time()
        row = experiment.row(variant)
        plain = plain or row.step_size
        seconds = time.process_time() - start
        print(f"{row.name}: eta* {row.step_size:.5f} +- {row.half_width:.1g}, {row.step_size / plain:.4f} of SGD's  [{row.status}]  {seconds:.1f} s")
        for o in row.outcomes:
            measured = f"near {o.near:.2f}  left {o.left:.2f}  rate {o.rate:+.5f} +- {o.error:.5f}  paired {o.difference:.0e}  {o.steps} steps"
            print(f"   {o.factor:4}  lambda {o.exponent.value:+.5f} +- {o.exponent.half_width:.5f}  {measured}", flush=True)


if __name__ == "__main__":
    main()
