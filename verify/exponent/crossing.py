"""A sign change of lambda(eta) by simulation: coarse sign tests beside the estimated zero, then one careful pair of tests about the wanted width apart.

All estimates use common random numbers: at neighbouring step sizes they have nearly the same error, so that it does not matter that step sizes are chosen from
what the same samples showed before. The error probability is shared by the looks: a tenth for the coarse tests, look k having the part 1 / (k (k + 1)), and the
rest for the pairs, pair k having that part of it; so the sum over any number of looks stays within bounds, and the costly last tests are not weakened much.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from ..exact import InputError
from .chains import Part
from .sampling import GrowthEstimate, Sampling, extend, interval

Progress = Callable[[float, float, float], None]
COARSE = 20  # widths: from here on the pairs are tested
COARSE_SHARE = 0.1
FIRST_STEPS = 1 << 12


class Family(Protocol):
    """The parts at any step size."""

    def at(self, step_size: float, seed: int) -> list[Part]: ...


class Crossing:
    """The search of `sgd_threshold`; the bracket [lo, hi] always has significant opposite signs at its ends once `shrink` has tested them."""

    def __init__(self, problem: Family, sampling: Sampling, seed: int) -> None:
        self.problem, self.seed, self.error, self.threads = problem, seed, 1 - sampling.confidence, sampling.cores
        self.start = perf_counter()
        self.deadline = self.start + sampling.time_limit
        self.looks = 0

    def test(self, eta: float, resolution: float) -> GrowthEstimate:
        """The estimate at `eta`, run until its sign is significant, its half-width is below `resolution`, or the time is up."""
        parts = self.problem.at(eta, self.seed)
        steps = first_steps(parts)
        while True:
            in_time = extend(parts, steps, self.deadline, self.threads)
            self.looks += 1
            found = interval(parts, 1 - COARSE_SHARE * self.error / (self.looks * (self.looks + 1)), self.seed)
            if found.sign or not in_time or found.half_width < resolution or not found.chains:
                return found
            steps *= 2

    def shrink(self, lo: float, hi: float, width: float, progress: Progress | None) -> tuple[float, float, str]:
        """(lo', hi', "" or the reason why they are further apart than `width`)."""
        left, right = self.test(lo, 0.0), self.test(hi, 0.0)
        for eta, end in ((lo, left), (hi, right)):
            if not end.sign:
                return lo, hi, f"the sign at {eta:g} was not decided in time: lambda = {spelled(end)}, so that a sign change in between is not established"
        if left.sign == right.sign:
            raise InputError(f"lambda has the same sign at lo = {lo:g} ({spelled(left)}) and hi = {hi:g} ({spelled(right)}); move one of them")
        # Infinite values say nothing about where the zero is; a finite stand-in starts the search in the middle.
        values = [max(left.value, -1.0), max(right.value, -1.0)]
        zero, side = lo + (hi - lo) * values[0] / (values[0] - values[1]), 0
        while hi - lo > COARSE * width:
            margin = 0.12 * (hi - lo)
            eta = zero - margin if side == 0 else zero + margin
            if not lo < eta < hi:
                side, eta = 1 - side, (zero + margin if side == 0 else zero - margin)
            if not lo < eta < hi or perf_counter() > self.deadline:
                eta = (lo + hi) / 2
            slope = abs(values[1] - values[0]) / (hi - lo)
            found = self.test(eta, 0.2 * slope * width)
            if perf_counter() > self.deadline and not found.sign:
                return lo, hi, f"the time was up: the sign at {eta:.12g} is not significant, lambda = {spelled(found)}"
            value = max(found.value, -1.0)
            if found.sign == left.sign:
                lo, values[0] = eta, value
            elif found.sign:
                hi, values[1] = eta, value
            if found.sign and progress is not None:
                progress(lo, hi, perf_counter() - self.start)
            # The newest estimate and the slope place the zero; a secant of the ends is the fallback.
            guess = eta - value * (hi - lo) / (values[1] - values[0]) if values[1] != values[0] else lo
            zero = guess if lo < guess < hi else lo + (hi - lo) * values[0] / (values[0] - values[1])
            side = 1 - side
        return self._pairs(lo, hi, width, (values[1] - values[0]) / (hi - lo), zero, progress)

    def _pairs(self, lo: float, hi: float, width: float, slope: float, zero: float, progress: Progress | None) -> tuple[float, float, str]:
        """Estimate at the zero until it is known well enough, then test the step sizes beside it; lambda has the sign of -`slope` at lo."""
        steps, pair = first_steps(self.problem.at(zero, self.seed)), 1
        while hi - lo > width:
            confidence = 1 - (1 - COARSE_SHARE) * self.error / (2 * pair * (pair + 1))
            found = self._look(zero, steps, confidence)
            if perf_counter() > self.deadline:
                return lo, hi, f"the time was up: lambda = {spelled(found)} at {zero:.12g}, and its sign beside it is not significant"
            moved = zero - max(found.value, -1.0) / slope
            zero = moved if lo < moved < hi else (lo + hi) / 2
            lack = found.half_width / (0.42 * width * abs(slope))
            if lack > 1:
                steps = int(steps * min(16.0, max(1.5, 1.2 * lack**2)))
                continue
            tested = {}
            for eta in (max(lo, zero - 0.49 * width), min(hi, zero + 0.49 * width)):
                if lo < eta < hi:
                    tested[eta] = self._look(eta, steps, confidence)
            for eta, end in tested.items():
                if end.sign * slope < 0:
                    lo = max(lo, eta)
                elif end.sign:
                    hi = min(hi, eta)
            if progress is not None:
                progress(lo, hi, perf_counter() - self.start)
            if len(tested) == 2 and not hi - lo > width:
                break
            ends = list(tested.items())
            if len(ends) == 2 and (ends[1][1].value - ends[0][1].value) * slope > 0:
                slope = (ends[1][1].value - ends[0][1].value) / (ends[1][0] - ends[0][0])
            steps, pair = 2 * steps, pair + 1
        return lo, hi, ""

    def _look(self, eta: float, steps: int, confidence: float) -> GrowthEstimate:
        parts = self.problem.at(eta, self.seed)
        extend(parts, steps, self.deadline, self.threads)
        return interval(parts, confidence, self.seed)


def first_steps(parts: list[Part]) -> int:
    """Steps of each chain before the first look: less than two burn-ins show the start rather than lambda."""
    return max(FIRST_STEPS, *(2 * part.chains.burn for part in parts if part.chains), 0)


def spelled(found: GrowthEstimate) -> str:
    """Value and half-width."""
    return f"{found.value:.6g} +- {found.half_width:.2g}"
