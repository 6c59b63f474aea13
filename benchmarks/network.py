"""Analyses of real networks at their minima; run `python -m benchmarks.network` (a minute; needs the extra `network`).

Processor seconds of this process, its threads together, and its peak memory: finding the minimum (Levenberg-Marquardt), then K, its accuracy, smoothness and
all thresholds. The peer of the search is SciPy's (least_squares, trust region, LSMR) on the same products with J, both after compilation. MLPs with one hidden
layer of tanh on scikit-learn's digits, or as named.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify import SGD
from verify.network.analysis import analyse_minimum
from verify.network.architectures import Architecture, cnn, mlp, transformer
from verify.network.data import data_set
from verify.network.kernel import Kernel
from verify.network.levenberg_marquardt import interpolate
from verify.network.minimum import example
from verify.network.step_sizes import step_sizes


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """(result, processor seconds, wall seconds)."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    return found, time.process_time() - cpu, time.perf_counter() - wall


def case(name: str, architecture: Architecture, size: int) -> None:
    minimum, cpu, wall = timed(lambda: example(architecture, "digits", size))
    print(f"{name}: N = {size}, D = {minimum.network.parameters}: minimum in {cpu:.1f} s CPU, {wall:.1f} s, residual {minimum.residual:.1g}")
    start, data = minimum.network.start, data_set("digits", size)[1]
    interpolate(minimum.network, data, start, steps=1)
    interpolate(minimum.network, data, start, steps=1, dense=0)
    ours, cpu, _ = timed(lambda: interpolate(minimum.network, data, start))
    theirs, peer, _ = timed(lambda: interpolate(minimum.network, data, start, dense=0))
    print(f"    search alone {cpu:.3f} s CPU to {ours.residual:.1g}; SciPy {peer:.3f} s to {theirs.residual:.1g}")
    found, cpu, wall = timed(lambda: analyse_minimum(minimum, SGD("1/100")))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"    analysis {cpu:.1f} s CPU, {wall:.1f} s; peak memory so far {peak:.2f} GiB; condition of K {found.kernel.condition:.3g}")
    kernel = Kernel.of(minimum.gram, 1, minimum.network.parameters)
    sizes, cpu, wall = timed(lambda: step_sizes(kernel, SGD("1/100"), minimum.loss))
    width = (sizes.sgd.hi - sizes.sgd.lo) / sizes.sgd.hi if sizes.sgd.hi is not None else float("nan")
    print(f"    thresholds after K {cpu:.2f} s CPU, {wall:.2f} s; SGD {sizes.sgd} (relative width {width:.1e})")
    print(f"    {found.verdict.statement}: {found.verdict.outcome}; H1: {found.smoothness.hypothesis().status.value}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without D = 1e5")
    quick = parser.parse_args().quick
    case("MLP", mlp(), 8)
    case("CNN", cnn(), 8)
    case("Transformer", transformer(), 8)
    if not quick:
        case("wide MLP", mlp(1500), 128)
        case("wide ReLU MLP", mlp(1500, "relu"), 128)


if __name__ == "__main__":
    main()
