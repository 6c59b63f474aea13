"""The options of `exponent` for Monte Carlo estimates and upper confidence bounds."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import Any

from ..problem import Problem
from .output import destination

UNLIMITED = 10**15


def add_sampling(parser: argparse.ArgumentParser, count: Any, seconds: Any, confidence: Any) -> None:
    """Add them; the arguments are the types of a count, of seconds and of a confidence."""
    group = parser.add_argument_group("Monte Carlo, where nothing can be proved")
    group.add_argument("--steps", metavar="N", type=count, help="simulate N steps, over all chains (default: 2e7 or 5 seconds, whichever is first)")
    group.add_argument("--sample-seconds", metavar="S", type=seconds, help="simulate for S seconds (with --steps: at most)")
    group.add_argument("--confidence", metavar="P", type=confidence, default=0.99, help="of intervals and bounds (default: 0.99)")
    group.add_argument("--threads", metavar="N", type=count, help="cores to use (default: all)")
    group.add_argument("--precision", choices=("float32", "float64"), help="store K or X rounded to float32: half the memory, and faster for large N")
    group.add_argument("--resume", metavar="FILE", help="keep the state of the simulation in FILE and go on from it, with the same result as without a stop")
    group.add_argument("--upper-bound", action="store_true", help="also a one-sided upper confidence bound for lambda from a finite-sample inequality (SGD)")


def sampling_options(arguments: Namespace) -> dict[str, Any]:
    """What `Problem.lyapunov` takes as `sampling`."""
    options: dict[str, Any] = {name: value for name in ("threads", "precision") if (value := getattr(arguments, name)) is not None}
    if arguments.resume is not None:
        options["resume"] = destination(arguments.resume, "--resume", (arguments.problem,))
    if arguments.steps is not None:
        options |= {"steps": arguments.steps, "time_limit": arguments.sample_seconds or float(UNLIMITED)}
    elif arguments.sample_seconds is not None:
        options |= {"steps": UNLIMITED, "time_limit": arguments.sample_seconds}
    elif arguments.resume is not None:
        options |= {"steps": UNLIMITED}
    return options


def bound_of(problem: Problem, arguments: Namespace) -> Any:
    """The upper confidence bound, or None if it was not asked for."""
    if not arguments.upper_bound:
        return None
    options = {"confidence": arguments.confidence, "seed": arguments.seed, "threads": arguments.threads}
    return problem.upper_bound(time_limit=arguments.sample_seconds or 5.0, **options)
