"""Running chains until a goal is met, and the confidence interval that they give; `Sampling` says for how long, on how many cores, in which file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from ..exact import InputError
from .chains import Chains, Part

STEPS = 20_000_000
# Round-off of a step, relative; no interval is narrower.
ROUNDING = 1e-15
SAVE_SECONDS = 20.0
FIRST_LOOK = 1 << 12
# What a start that is not yet forgotten may add to the growth in nats after a burn-in of `Chains.burn` steps; less in proportion after a longer one. Measured:
# 0.008 to 0.02 for K = Z Z^T / (2 N), N = 256 and 1024, near the threshold; the tests of coverage hold it against N = 64.
FORGOTTEN = 0.02


@dataclass(frozen=True)
class Sampling:
    """How long to simulate, and how.

    A run has `steps` steps over all chains, or goes on until the half-width is at most `target_half_width` (then `steps` plays no part), and ends at
    `time_limit` seconds, which do not include compiling, nor what is determined about K beforehand (up to N^3 operations). Unless the time runs out the
    result is a function of the other arguments but `threads` (None: all cores), `resume` and `progress`; the same `seed` draws the same samples whatever
    the step size. With `resume` the state is kept in that file, written whole every 20 s and at the end, also of an interrupted run: calling again with the
    same arguments goes on from there and gives the same result, bit for bit, as a run that was never interrupted.
    """

    steps: int = STEPS
    target_half_width: float | None = None
    time_limit: float = 5.0
    confidence: float = 0.99
    seed: int = 0
    threads: int | None = None
    resume: str | Path | None = None
    progress: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        target, threads = self.target_half_width, self.threads
        if self.steps < 1 or not self.time_limit > 0 or not 0 < self.confidence < 1 or (target is not None and not target > 0):
            raise InputError(
                f"steps = {self.steps}, target_half_width = {target}, time_limit = {self.time_limit} must be positive, confidence = {self.confidence} in (0, 1)"
            )
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads = {threads!r} is not a positive integer; leave it out for all cores")

    @property
    def cores(self) -> int:
        """How many threads to use."""
        return self.threads if self.threads is not None else available_cores()


@dataclass(frozen=True)
class GrowthEstimate:
    """lambda is within value +- half_width (nats per step) with probability about `confidence` over the random samples.

    `half_width` is infinite where only the upper end `value` is known (see `note`); `value` is -inf (and half_width 0) if a vector became exactly zero: a
    product that vanishes with positive probability has lambda = -inf. `steps` counts the steps of all chains after the burn-in; both counts are 0 where lambda
    is a sum of logarithms and nothing had to be sampled. `note` is what the estimate rests on besides the samples, if anything.
    """

    value: float
    half_width: float
    confidence: float
    steps: int
    chains: int
    seed: int
    note: str = ""

    @property
    def sign(self) -> int:
        """-1 or 1 if the interval excludes zero, else 0."""
        return 0 if abs(self.value) <= self.half_width else int(math.copysign(1, self.value))


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def estimate(parts: list[Part], sampling: Sampling, key: Iterable[Any] = (), slack: float = 0.0, note: str = "") -> GrowthEstimate:
    """Run the chains of all parts. `key` holds everything that they depend on (for `resume`), `slack` is added to the half-width."""
    chains = [part.chains for part in parts if part.chains]
    goal = max((sampling.steps * 8 // 7 // c.count + c.burn for c in chains), default=0)
    if sampling.target_half_width is not None:
        goal = min(goal, max(FIRST_LOOK, *(2 * c.burn for c in chains), 0))
    run = _Run(chains, sampling, key, goal)
    try:
        while True:
            in_time = extend(parts, run.goal, run.deadline, sampling.cores, run.after_piece)
            result = interval(parts, sampling.confidence, sampling.seed, slack, note)
            target = sampling.target_half_width
            if target is None or not in_time or result.half_width <= target or not chains:
                return result
            # Few looks, as each is a chance to stop on a lucky half-width.
            run.goal = int(run.goal * min(4.0, max(1.3, 1.1 * (result.half_width / target) ** 2)))
    finally:
        run.save()


class _Run:
    """The goal of a run, its deadline, and its file."""

    def __init__(self, chains: list[Chains], sampling: Sampling, key: Iterable[Any], goal: int) -> None:
        self.chains, self.sampling, self.goal, self.key = chains, sampling, goal, ""
        if sampling.resume is not None:
            from . import state_file

            self.key = state_file.run_key(key)
            saved = state_file.load(sampling.resume, self.key)
            if saved is not None:
                for one, snapshot in zip(chains, saved[1], strict=True):
                    one.now = snapshot
                self.goal = goal if sampling.target_half_width is None else max(goal, saved[0])
        self.start = self.saved = self.told = perf_counter()
        self.deadline = self.start + sampling.time_limit

    def after_piece(self) -> None:
        now, say = perf_counter(), self.sampling.progress
        if now - self.saved > SAVE_SECONDS:
            self.save()
        if say is not None and now - self.told > 0.5:
            self.told = now
            say(f"Monte Carlo: {sum(run.steps * run.count for run in self.chains):.3g} steps in {now - self.start:.0f} s")

    def save(self) -> None:
        if self.sampling.resume is not None:
            from . import state_file

            state_file.save(self.sampling.resume, self.key, self.goal, [run.now for run in self.chains])
            self.saved = perf_counter()


def extend(parts: list[Part], steps: int, deadline: float, threads: int = 1, after: Callable[[], None] | None = None) -> bool:
    """Run all chains up to `steps` each; the parts share the time that is left. True if that was reached."""
    chains = [part.chains for part in parts if part.chains]
    reached = True
    for index, run in enumerate(chains):
        now = perf_counter()
        reached &= run.extend(steps, now + max(0.0, deadline - now) / (len(chains) - index), threads, after)
    return reached


def interval(parts: list[Part], confidence: float, seed: int, slack: float = 0.0, note: str = "") -> GrowthEstimate:
    """The maximum over the parts, from simultaneous intervals."""
    chains = [part.chains for part in parts if part.chains]
    error = (1 - confidence) / max(1, len(chains))
    ends = [_part_interval(part, error) for part in parts]
    low, high = max(end[0] for end in ends), max(end[1] for end in ends)
    steps, count = sum(run.measured * run.count for run in chains), sum(run.count for run in chains)
    if high == -math.inf:
        return GrowthEstimate(-math.inf, 0.0, confidence, steps, count, seed, note)
    if low == -math.inf:
        note = "; ".join(filter(None, (note, f"only the upper end, {high:.3g}, is known")))
        return GrowthEstimate(high, math.inf, confidence, steps, count, seed, note)
    value, half_width = (low + high) / 2, (high - low) / 2
    return GrowthEstimate(value, half_width + slack + ROUNDING * (1 + abs(value)), confidence, steps, count, seed, note)


def _part_interval(part: Part, error: float) -> tuple[float, float]:
    run, block = part.chains, part.block
    if run is None:
        return part.exact, part.exact
    start = FORGOTTEN * run.burn / (run.first * run.now.length) / run.measured
    slack = start + (block.unresolved / run.measured if block is not None else 0.0)
    if block is None or block.checked:
        low, high = _student(run, error, slice(None))
        return part.scale * (low - start), part.scale * (high + slack)
    half = run.count // 2
    low, high = _student(run, error, slice(half))[0] - start, _student(run, error, slice(half, None))[1] + slack
    # Any vector has a part in the kernel of K, if there is one, and would not decay; so a kernel can hide a decay only where the upper end is not negative.
    hidden = low <= 0 <= high and run.lowest(slice(half)) < -block.leak
    return -math.inf if hidden else part.scale * low, part.scale * high


def _student(run: Chains, error: float, half: slice) -> tuple[float, float]:
    """The interval of the mean growth per step of some of the chains; each end is wrong with probability `error` / 2."""
    import numpy as np
    from scipy.special import stdtrit

    means, changes, shapes = (values[half] for values in run.means())
    if np.any(means == -math.inf):
        return -math.inf, -math.inf
    if not np.all(np.isfinite(means)):
        raise ArithmeticError("a chain left the range of floating point; please report the input: the spacing of renormalisations was to exclude this")
    root = math.sqrt(len(means))
    drift = max(0.0, abs(float(changes.mean())) - 2 * float(changes.std(ddof=1)) / root) + abs(float(shapes.mean()))
    half_width = float(stdtrit(len(means) - 1, 1 - error / 2)) * float(means.std(ddof=1)) / root + drift
    return float(means.mean()) - half_width, float(means.mean()) + half_width
