"""Real networks on both sides of the threshold: do SGD's runs do what lambda says? A sweep over models, data, N, batches, step sizes and seeds.

    python -m benchmarks.network_sweep --small                 112 trials of 32 runs, N = 4 and 8: a quarter of an hour on two busy cores
    python -m benchmarks.network_sweep --device gpu            1344 trials of 512 runs, N = 2 to 128; needs jax[cuda12] and a GPU
    python -m benchmarks.network_sweep --table FILE.sqlite     keep the results there, and go on after an interruption

A trial takes a minimum (exact by teacher labels, double precision), its eta*, and a multiple of it; it runs SGD from 1e-5 beside the minimum, all seeds at
once, without the float floor (`verify.network.fates`), and measures the paired check and the rate (`verify.network.trial`). One line for each model:

    below: eta < eta*      near: share of all runs that converged near the minimum; unsettled: had not ended after the steps that were given
    above: eta > eta*      near: the same; elsewhere: share of all runs that converged to another minimum
    paired                 below and above: the largest |log real - log linear| on the same samples; the verdicts: agree / undecided / disagree
    |rate - lambda|        the largest, in standard errors, of so many rates in which the slowest mode had decayed (the largest of 100 normal errors: about 2.8)
    limits                 share of examined ends with lambda < 0 at 99 % confidence (of a trial's together), and how many have lambda > 0
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from verify import InputError
from verify.exponent.sampling import available_cores
from verify.network.precision import jax_module
from verify.network.sweep import WORKS, environment, grid, sweep
from verify.sweeps import in_process, processes
from verify.sweeps.results import read_table

MODELS = (
    {"architecture": "mlp", "data": "digits"},
    {"architecture": "mlp", "data": "diabetes", "options": {"width": 64}},
    {"architecture": "cnn", "data": "digits"},
    {"architecture": "transformer", "data": "digits"},
)
SMALL: dict[str, Any] = {"size": [4, 8], "batch": [1, 2], "init_seed": [0, 1], "runs": 32}
SMALL |= {"step_size": ["9/10 eta*", "97/100 eta*", "103/100 eta*", "11/10 eta*"]}
SPECIAL = {"transformer": {"size": [4]}}  # at N = 8 lambda is near -0.002: no run ends within the 8000 steps
LARGE: dict[str, Any] = {"size": [2, 4, 8, 16, 32, 64, 128], "batch": [1, 4], "init_seed": [0, 1, 2, 3], "runs": 512, "steps": 40_000}
LARGE |= {"step_size": ["7/10 eta*", "9/10 eta*", "97/100 eta*", "103/100 eta*", "11/10 eta*", "3/2 eta*"]}


def grid_of(axes: dict[str, Any], special: dict[str, dict[str, Any]]) -> list[Any]:
    """The tasks, one model after the other; `special` has other values for some architectures."""
    return [task for model in MODELS for task in grid(**axes | special.get(model["architecture"], {}) | model)]


def summary(columns: dict[str, Any]) -> list[list[str]]:
    """Lines of the table (see above), its head first; trials that failed are counted only."""
    shares = ["below: near", "unsettled", "above: near", "elsewhere"]
    lines = [["model", "data", "trials", "failed", *shares, "paired", "above", "verdicts", "|rate - lambda|", "limits", "> 0"]]
    for model, data in sorted(set(zip(columns["architecture"], columns["data"], strict=True))):
        own = (columns["architecture"] == model) & (columns["data"] == data)
        c = {name: values[own & (columns["failure"] == "")] for name, values in columns.items()}
        below, above = c["eta"] < c["eta_star"], c["eta"] > c["eta_star"]
        verdicts = "/".join(str((c["paired_verdict"] == word).sum()) for word in ("agree", "undecided", "disagree"))
        deviations = np.abs(c["deviation"][~np.isnan(c["deviation"])])
        worst = f"{deviations.max():.1f} of {len(deviations)}" if len(deviations) else "-"
        paired = [f"{c['paired'][side].max():.1e}" if side.any() else "-" for side in (below, above)]
        limits = f"{c['limits_negative'].sum():.0f}/{c['limits'].sum():.0f}"
        shares = [_share(c[name][side], c["runs"][side]) for side, name in ((below, "near"), (below, "unsettled"), (above, "near"), (above, "elsewhere"))]
        failed = (own & (columns["failure"] != "")).sum()
        lines.append([model, data, str(own.sum()), str(failed), *shares, *paired, verdicts, worst, limits, f"{c['limits_positive'].sum():.0f}"])
    return lines


def _share(hits: Any, runs: Any) -> str:
    return f"{hits.sum() / runs.sum():.4f}" if runs.sum() else "-"


def main(arguments: list[str] | None = None) -> int:
    """Run, and print the summary; exit code 0 iff no trial failed, none disagrees, and no limit has lambda > 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="minutes on a CPU")
    parser.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto", help="where JAX computes (default: a GPU where it finds one)")
    parser.add_argument("--table", help="keep the results in this SQLite file (default: a temporary one)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="worker processes on a CPU (default: one for each core)")
    chosen = parser.parse_args(arguments)
    if chosen.device != "auto":
        os.environ["JAX_PLATFORMS"] = {"cpu": "cpu", "gpu": "cuda"}[chosen.device]  # workers inherit it
    try:
        platform = jax_module().devices()[0].platform
    except (AssertionError, RuntimeError) as error:  # JAX asserts where the plugin for a platform is not installed
        why = next(iter(str(error).splitlines()), "none is installed")
        parser.error(f"JAX finds no {chosen.device} device ({why}); a GPU needs: pip install 'jax[cuda12]'")
    tasks = grid_of(SMALL, SPECIAL) if chosen.small else grid_of(LARGE, {})
    pool = processes(chosen.workers) if platform == "cpu" and chosen.workers > 1 else in_process()
    print(f"{len(tasks)} trials, {environment()}", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        table = chosen.table or str(Path(folder) / "results.sqlite")
        try:
            swept = sweep(tasks, table, pool, progress=lambda text: print(text, file=sys.stderr, flush=True))
        except InputError as error:
            parser.error(str(error))
        columns = read_table(table)
    own = np.isin(columns["key"], [WORKS["trial"].key(task) for task in tasks])
    columns = {name: values[own] for name, values in columns.items()}
    lines = summary(columns)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print(f"{time.perf_counter() - began:.0f} s here, {np.nansum(columns['seconds']):.0f} s of all trials together; {swept.known} were known before")
    for reason in sorted(set(swept.failed.values())):
        print(f"failed: {reason}")
    wrong = bool(swept.failed) or (columns["paired_verdict"] == "disagree").any() or np.nansum(columns["limits_positive"]) > 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
