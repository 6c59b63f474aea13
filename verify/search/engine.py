"""The search for a case on which a predicate fails (`find_counterexample`), or on which a text holds (`find`).

In a `RationalSpace`: (1) all small cases in order of size, screened in floating point; (2) an evolution strategy on the floating-point margin, from random
starts; (3) the small rationals around what it finds, smallest first. Whatever survives the screening is judged exactly, with certificates, and only such a
judgement counts. With a Hypothesis strategy: its own generation, `target`ed at the margin, and its own shrinking, which stays inside the strategy.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..certificate import Rejected, check
from ..exact import InputError
from ..predicate import Judged, Predicate, parse_predicate
from ..problem import Problem
from ..regularity import is_regular
from .batch import Batch
from .contradiction import contradiction
from .drawn import by_hypothesis
from .result import Counterexample, Effort, NotFound
from .rounding import small_cases
from .space import Candidates, RationalSpace

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Floats = NDArray[np.float64]
Judge = Callable[[Any], Judged]
Progress = Callable[[str], None]
# Scores up to this mean: not excluded by the error bars, but not shown either.
POSSIBLE = 1e-11
PARENTS, GENERATIONS, ROUNDED = 32, 14, 3
# Steps of the first, short run; its error bars are about a tenth.
SHORT = 160
ENUMERATION_SHARE = 0.4
MAX_POSSIBLE = 4


def find_counterexample(
    predicate: Judge, strategy: RationalSpace | SearchStrategy[Any], *, seconds: float = 60.0, seed: int = 0, progress: Progress | None = None
) -> Counterexample | NotFound:
    """A case drawn from `strategy` on which `predicate` is judged False, with its certificate, or `NotFound` with the effort (which proves nothing).

    `predicate` maps a case to a `Judged`. It may also have one of two methods that score cases cheaply, in floating point, positive where the predicate seems
    to fail: `violations(batch: Batch) -> array` for many cases at once (`Predicate` has it), or `violation(case) -> float` for one. Cases with a score that is
    not positive are not judged. A `RationalSpace` needs one of them. The result depends on `seed` and, if time runs out, on the speed of the machine.
    """
    _check_seconds(seconds)
    run = Run(predicate, False, time.monotonic(), seconds, seed, progress)
    if not isinstance(strategy, RationalSpace):
        return by_hypothesis(run, strategy, getattr(predicate, "violation", None))
    return _searched(run, strategy, _scores(predicate, strategy, run))


def find(
    text: str, points: int = 2, *, regular: bool = False, seconds: float = 60.0, seed: int = 0, progress: Progress | None = None
) -> Counterexample | NotFound:
    """A batch-1 SGD problem with N = `points` data points (independent gradients) on which the predicate `text` holds, as small as the search finds it.

    `regular`: only minima with R1 (no c_i is 1 or 2) and R2 (the graph of K is connected).
    Raises `InputError` for a malformed predicate, and for limits on one name that contradict each other.
    """
    predicate = parse_predicate(text, points)
    _check_seconds(seconds)
    clash = contradiction(predicate.tree)
    if clash:
        raise InputError(f"predicate: {clash}, so no problem satisfies it; change one of the limits")
    space = RationalSpace(points, scale_free=predicate.scale_free, symmetric=predicate.symmetric)
    run = Run(_Limited(predicate, regular), True, time.monotonic(), seconds, seed, progress)
    return _searched(run, space, Scores(functools.partial(_regular_margins, predicate) if regular else predicate.margins))


def _regular_margins(predicate: Predicate, batch: Batch) -> Floats:
    """Margins, minus infinity at irregular minima (up to round-off)."""
    c = batch.c()
    graph = np.abs(batch.grams[:, 0]) > 0
    reached = np.linalg.matrix_power(graph.astype(float), batch.points)
    kept = np.flatnonzero((np.abs(c - 1).min(axis=1) > 1e-9) & (np.abs(c - 2).min(axis=1) > 1e-9) & (reached > 0).all(axis=(1, 2)))
    found = np.full(batch.size, -np.inf)
    if kept.size:
        found[kept] = predicate.margins(batch.rows(kept))
    return found


@dataclass(frozen=True)
class Scores:
    """A score of cases in floating point, and how many of them are scored at once: small populations where each case costs a call of its own."""

    of: Callable[[Batch], Floats]
    rows: int = 20_000
    population: int = 384


def _scores(predicate: Any, space: RationalSpace, run: Run) -> Scores:
    if hasattr(predicate, "violations"):
        return Scores(predicate.violations)
    single = getattr(predicate, "violation", None)
    if single is None:
        raise InputError("predicate has neither violations(batch) nor violation(case), which a RationalSpace needs; or give a Hypothesis strategy")

    def one_by_one(batch: Batch) -> Floats:
        values = np.full(batch.size, -np.inf)
        for row in range(batch.size):
            if run.left < 0:
                break
            grams = [tuple(tuple(_rational(x) for x in line) for line in gram) for gram in batch.grams[row]]
            try:
                values[row] = single(space.build(grams, [_rational(eta) for eta in batch.steps[row]]))
            except InputError:  # rounding made K indefinite
                continue
        return values

    return Scores(one_by_one, 256, 48)


def _rational(x: float) -> Fraction:
    return Fraction(float(x)).limit_denominator(10**6)


@dataclass
class _Limited:
    """A predicate that is judged within a time limit which the search sets, perhaps on regular minima only."""

    predicate: Predicate
    regular: bool = False
    time_limit: float = 10.0

    def __call__(self, problem: Problem) -> Judged:
        if self.regular and not is_regular(problem):
            return Judged(False, None, "the minimum is not regular")
        return self.predicate.judge(problem, time_limit=self.time_limit)


@dataclass
class Run:
    """The state of one search: its budget and what has been done."""

    judge: Judge
    wanted: bool
    began: float
    seconds: float
    seed: int
    progress: Progress | None
    screened: int = 0
    judged: int = 0
    undecided: int = 0

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.began + self.seconds - time.monotonic()

    @property
    def effort(self) -> Effort:
        return Effort(self.screened, self.judged, self.undecided, time.monotonic() - self.began)

    def say(self, text: str) -> None:
        if self.progress:
            self.progress(f"{text}: {self.screened} cases screened, {self.judged} judged, {self.left:.0f} s left")

    def settled(self, case: Any, time_limit: float = 10.0) -> Judged | None:
        """The judgement of a case if it is the wanted one and the trusted checker accepts its certificate again; else None."""
        if isinstance(self.judge, _Limited):
            self.judge.time_limit = max(0.5, min(time_limit, self.left))
        self.judged += 1
        found = self.judge(case)
        if found.holds is None:
            self.undecided += 1
        if found.holds is not self.wanted:
            return None
        if found.certificate is not None:
            try:
                check(found.certificate)
            except Rejected as refusal:
                self.undecided += 1
                self.say(f"the trusted checker refused a certificate ({refusal})")
                return None
        return found


def _searched(run: Run, space: RationalSpace, score: Scores) -> Counterexample | NotFound:
    found = _enumerated(run, space, score) or _directed(run, space, score)
    return found or NotFound(f"no case with {space.points} data points was found within {run.seconds:g} s", run.effort)


def _enumerated(run: Run, space: RationalSpace, score: Scores) -> Counterexample | None:
    """All small cases, shell by shell."""
    for candidates in space.shells():
        run.say(f"cases with numbers up to {candidates.numerators.max(initial=1)}")
        ordered = candidates.chosen(candidates.order())
        for start in range(0, len(ordered), score.rows):
            if run.left < (1 - ENUMERATION_SHARE) * run.seconds:
                return None
            found = _screened(run, space, score, ordered.chosen(slice(start, start + score.rows)), MAX_POSSIBLE)
            if found:
                return found
    return None


def _staged(score: Scores, batch: Batch, doubt: float) -> Floats:
    """Scores from a short run; those above -doubt from a longer one."""
    values = np.nan_to_num(score.of(replace(batch, length=SHORT)), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    rows = np.flatnonzero(values > -doubt)
    if rows.size and score.rows > 1000:
        values[rows] = np.nan_to_num(score.of(batch.rows(rows)), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    return values


def _screened(run: Run, space: RationalSpace, score: Scores, candidates: Candidates, possible: int) -> Counterexample | None:
    """The smallest of the cases that passes the screening and is then judged as wanted; `possible` bounds the number of doubtful cases that are judged."""
    if not len(candidates):
        return None
    values = _staged(score, candidates.batch(), 0.15)
    run.screened += len(candidates)
    rows = [row for row in candidates.order() if values[row] > 0]
    clear = [row for row in rows if values[row] > POSSIBLE]
    if clear:
        # A longer look at the smallest ones spares vain searches for proofs.
        head = candidates.chosen(clear[:60])
        batch = head.batch()
        longer = score.of(replace(batch, length=8 * batch.length))
        clear = [row for row, value in zip(clear[:60], longer, strict=True) if value > POSSIBLE] + clear[60:]
    doubtful = [row for row in rows if values[row] <= POSSIBLE][:possible]
    for row, limit in [*((row, 10.0) for row in clear), *((row, 1.0) for row in doubtful)]:
        if run.left < 0:
            return None
        case = space.build(*candidates.exact(row))
        judged = run.settled(case, limit)
        if judged is not None:
            return Counterexample(case, judged, run.effort)
    return None


def _directed(run: Run, space: RationalSpace, score: Scores) -> Counterexample | None:
    """An evolution strategy from random starts; the small rationals around each success."""
    rng = np.random.default_rng(run.seed)
    while run.left > 0:
        population = space.random(rng, 3 * score.population)
        spread = 0.5
        for _ in range(GENERATIONS):
            run.say("directed search")
            values = _staged(score, space.decoded(population), 0.03)
            run.screened += len(population)
            best = population[np.argsort(-values)[:PARENTS]]
            if values.max() > POSSIBLE:
                found = _rounded(run, space, score, population[np.argsort(-values)[:ROUNDED]][np.sort(values)[::-1][:ROUNDED] > POSSIBLE], rng)
                if found:
                    return found
            if run.left < 0:
                return None
            children = best[rng.integers(0, len(best), score.population)]
            population = np.concatenate([best, children + rng.normal(0, spread, children.shape) * rng.choice([1.0, 0.2, 0.04], (len(children), 1))])
            spread *= 0.85
    return None


def _rounded(run: Run, space: RationalSpace, score: Scores, parameters: Floats, rng: np.random.Generator) -> Counterexample | None:
    """Small rationals around a few successes of the directed search: matrices with one digit first."""
    batch = space.decoded(parameters)
    rows = range(min(ROUNDED, batch.size))
    for largest in (9, 30, 99):
        for row in rows:
            run.say(f"rounding to numbers up to {largest}")
            candidates = small_cases(space, score.of, batch.grams[row], batch.steps[row], rng, largest)
            found = _screened(run, space, score, candidates, 0) if candidates is not None else None
            if found or run.left < 0:
                return found
    for row in rows:
        found = _screened(run, space, score, _fine(space, batch, row), 0)
        if found or run.left < 0:
            return found
    return None


def _fine(space: RationalSpace, batch: Batch, row: int) -> Candidates:
    """The case itself, with four digits."""
    top = 9999 / np.abs(batch.grams[row]).max()
    integers = np.rint(batch.grams[row] * top).astype(np.int64)[None]
    scale = top if space.scale_free else 1.0
    steps = [Fraction(float(eta) / scale).limit_denominator(10**8 if space.scale_free else 9999) for eta in batch.steps[row]]
    numbers = np.array([[(x.numerator, x.denominator) for x in steps]], dtype=np.int64)
    denominator = 1 if space.scale_free else round(top)
    return Candidates(integers, np.array([max(1, denominator)], dtype=np.int64), numbers[..., 0], numbers[..., 1])


def _check_seconds(seconds: float) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"seconds = {seconds!r} is not a positive number of seconds; write for example 60")
