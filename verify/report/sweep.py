"""The exponents along step sizes and of many problems: one `Point` for each, and the CSV table of `sgd-verify sweep`.

A row is a function of the problem, the step size and the options as long as no time limit is reached (Monte Carlo runs for a number of steps, not a time), so
that the rows do not depend on where they were computed. Memory: rows, and as many problems as a `Pool` takes at a time; measured data travel as a path.
"""

from __future__ import annotations

import csv
import functools
import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..exact import InputError, positive
from ..problem import Problem
from ..problem_file import load_problem
from ..result import Estimate, Exponent, as_float, outward_float
from ..sweeps import Failure, Pool, completed, in_process
from ..sweeps.rows import Rows
from .point import Point, evaluate

MAX_POINTS = 100_000
COLUMNS = (
    "step_size",
    *(f"{name}_{part}" for name in ("mu", "lambda", "ms") for part in ("kind", "sign", "lo", "hi")),
    *("number_kind", "number_lo", "number_hi"),
    "step_size_decimal",
    *(f"{name}_{end}_decimal" for name in ("mu", "lambda", "ms", "number") for end in ("lo", "hi")),
)


def step_sizes(start: Any, stop: Any, count: int) -> tuple[Fraction, ...]:
    """`count` equally spaced exact step sizes from `start` to `stop`, both included."""
    first, last = positive(start, "from"), positive(stop, "to")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_POINTS:
        raise InputError(f"steps = {count!r} is not an integer from 1 to {MAX_POINTS}")
    if first > last:
        raise InputError(f"from = {first} is above to = {last}; exchange them")
    if count == 1 and first != last:
        raise InputError("steps = 1 needs equal ends; write steps = 2 or more")
    return tuple(first + (last - first) * Fraction(k, max(1, count - 1)) for k in range(count))


def sweep(problem: Problem, etas: Sequence[Fraction], progress: Callable[[str], None] | None = None, **options: Any) -> Iterator[Point]:
    """The points of a problem at the step sizes; options as for `evaluate`. Raises `InputError` for bare matrices, which have no step size."""
    problems = [problem.at(eta) for eta in etas]
    for k, one in enumerate(problems):
        if progress:
            progress(f"step size {k + 1} of {len(problems)}")
        yield evaluate(one, **options)


def table(points: Sequence[Point]) -> str:
    """The CSV text, one row per step size.

    For mu, lambda and ms: kind, sign, lo, hi (exact; blank where infinite or not known). `lambda_` is what is proved, or an estimate; `number_` is a two-sided
    value where the proof leaves one side open, else the same again. `..._decimal` are doubles rounded outwards.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        writer.writerow(row(point))
    return text.getvalue()


def row(point: Point) -> list[Any]:
    """The cells of a point in the order of `COLUMNS`."""
    named = (point.mu, point.lambda_, point.mean_square)
    cells: list[Any] = [point.step_size]
    for exponent in named:
        cells += [exponent.kind, exponent.sign.value, *exponent.ends] if exponent is not None else [None] * 4
    cells += [point.number.kind, *point.number.ends] if point.number is not None else [None] * 3
    cells.append(None if point.step_size is None else as_float(point.step_size))
    for exponent in (*named, point.number):
        cells += _decimals(exponent)
    return ["" if cell is None else cell for cell in cells]


def _decimals(exponent: Exponent | None) -> list[float | None]:
    if exponent is None:
        return [None, None]
    if isinstance(exponent, Estimate) and exponent.ends == (None, None):
        return [None, None]
    lo, hi = exponent.ends
    return [outward_float(lo, False), outward_float(hi, True)]


# --- many problems on many workers ----------------------------------------------------------------------------------------------------------------

MULTIPLICATIONS = 400_000_000  # of one Monte Carlo estimate after its burn-in
LONGEST_ESTIMATE = 120.0
_ONE_AT_A_TIME = threading.Lock()  # precision and the like are global in the libraries for exact arithmetic


@dataclass(frozen=True)
class Job:
    """A row to compute: a problem (or the path of its file, where the data are too large to be sent around) at a step size (None: its own)."""

    name: str
    problem: Problem | str
    step_size: Fraction | None


def _content(problem: Problem | str) -> str:
    """A hash of a problem: of its exact spelling, or of its measured data and its optimiser."""
    from ..certificate.format import canonical
    from ..exponent.state_file import run_key
    from ..measured import float_data

    one = _loaded(problem) if isinstance(problem, str) else problem
    if one.is_exact or one.minimum is None:
        return run_key((canonical(one.subject),))
    return run_key((*float_data(one.minimum), one.optimiser))


def _keys(jobs: Sequence[Job], options: Mapping[str, Any]) -> list[str]:
    """For each job a hash of everything that its row depends on."""
    from ..exponent.state_file import run_key

    names = [job.problem if isinstance(job.problem, str) else id(job.problem) for job in jobs]
    contents = {name: _content(job.problem) for name, job in dict(zip(names, jobs, strict=True)).items()}
    return [run_key((contents[name], job.step_size, sorted(options.items()))) for name, job in zip(names, jobs, strict=True)]


@dataclass(frozen=True)
class Row:
    """The cells of a row in the order of `COLUMNS`, or why there are none, and whether the signs of mu and lambda are proved."""

    job: Job
    cells: tuple[str, ...]
    decided: bool
    failure: str = ""


def computed(problem: Problem | str, step_size: Fraction | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON: `cells` and `decided`. What a worker does; threads of one process take turns."""
    with _ONE_AT_A_TIME:
        one = _loaded(problem) if isinstance(problem, str) else problem
        one = one if step_size is None else one.at(step_size)
        point = evaluate(one, sampling={"steps": _steps(one), "time_limit": LONGEST_ESTIMATE, "threads": 1}, **options)
        return {"cells": [str(cell) for cell in row(point)], "decided": point.decided}


@functools.lru_cache(maxsize=1)
def _loaded(path: str) -> Problem:
    return load_problem(path)


def _steps(problem: Problem) -> int:
    size = len(problem.minimum.diagonal) if problem.minimum is not None else problem.family.dimension**2
    return max(100_000, min(20_000_000, MULTIPLICATIONS // size))


def sweep_all(
    jobs: Sequence[Job], pool: Pool | None = None, *, resume: Path | None = None, progress: Callable[[str], None] | None = None, **options: Any
) -> list[Row]:
    """The rows of all jobs, in their order, computed on a pool (default: in this process); options as for `evaluate`.

    With `resume` finished rows are kept in that file, and those that it holds already are not computed again. A job that fails gives a row with the reason.
    """
    kept = Rows(resume)
    keys = _keys(jobs, options) if resume is not None else [str(k) for k in range(len(jobs))]
    tasks = {key: (job.problem, job.step_size, options) for key, job in zip(keys, jobs, strict=True) if key not in kept.known}
    names, failures = dict(zip(keys, jobs, strict=True)), dict[str, str]()
    for done, (key, result) in enumerate(completed(computed, tasks, pool or in_process()), len(set(keys)) - len(tasks) + 1):
        if isinstance(result, Failure):
            failures[key] = result.reason
        else:
            kept.add(key, result)
        if progress:
            job = names[key]
            progress(f"{done} of {len(set(keys))} rows; the last: {job.name}" + (f" at step size {job.step_size}" if job.step_size is not None else ""))
    return [_row(job, kept.known.get(key), failures.get(key, "")) for key, job in zip(keys, jobs, strict=True)]


def _row(job: Job, found: Mapping[str, Any] | None, failure: str) -> Row:
    if found is None:
        return Row(job, (str(job.step_size or ""), *[""] * (len(COLUMNS) - 1)), False, failure)
    return Row(job, tuple(found["cells"]), found["decided"])


def wide_table(rows: Sequence[Row], several: bool) -> str:
    """The CSV text; with `several` problems the first column is `problem` and the last `error`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("problem", *COLUMNS, "error") if several else COLUMNS)
    for one in rows:
        writer.writerow((one.job.name, *one.cells, one.failure) if several else one.cells)
    return text.getvalue()
