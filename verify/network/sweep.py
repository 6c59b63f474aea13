"""Sweeps over networks, data, optimisers, step sizes and seeds: any kind of work with tasks that are values, on any pool, into a table on disk.

A kind of work is an entry of `WORKS`: a frozen dataclass of integers, truth values and texts (the task), a function `run(task) -> dict` that workers can
import, and the names and types of what it returns. "trial" runs SGD for real around a minimum (`trial.py`), "selection" trains from a random start
(`selection.py`). Another one is added by adding an entry.

`verify.sweeps.processes(n)` gives each worker one thread before it imports NumPy or JAX; processes are spawned, never forked. On a GPU one process is best,
`in_process()`: a task already runs all its seeds at once. The workers of a Dask cluster have the environment that the cluster gives them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..certificate.format import canonical
from ..exact import InputError
from ..problem_file import read_tree, refuse_unknown
from ..sweeps import Failure, Pool, completed, in_process
from ..sweeps.results import ResultTable
from .selection import SELECTION_COLUMNS, SelectionTask, selection_run
from .trial import TRIAL_COLUMNS, NetworkTask, run_task, trial_seconds

MAX_TASKS = 1_000_000
WHOLE = ("width", "channels", "hidden", "size", "outputs", "data_seed", "init_seed", "batch", "runs", "steps", "held_out", "seed")


@dataclass(frozen=True)
class Work:
    """A kind of work. `result` maps the columns of what `run` returns to "int", "float", "str" or "bool"; None is a missing value, NaN an error.

    `seconds` guesses the cost of a list of tasks on one core. A new `version` says that old results are not comparable: they are not taken from a table.
    """

    name: str
    task: type[Any]
    run: Callable[[Any], Mapping[str, Any]]
    result: Mapping[str, str]
    seconds: Callable[[Sequence[Any]], float]
    version: int = 1

    @property
    def columns(self) -> dict[str, str]:
        """The fields of a task and the names of their types."""
        return {field.name: str(field.type) for field in dataclasses.fields(self.task)}

    def key(self, task: Any) -> str:
        """A hash of everything that the result depends on; equal for tasks that are spelled differently but are equal."""
        content = {"work": self.name, "version": self.version, "task": dataclasses.asdict(task)}
        return hashlib.sha256(canonical(content).encode()).hexdigest()[:24]

    def table(self, path: str | Path) -> ResultTable:
        """The table for this work at `path`, opened or created."""
        return ResultTable(path, self.name, self.columns, self.result)


def _selected(task: SelectionTask) -> dict[str, Any]:
    """A run to its limit; what does not exist is None in a table."""
    return {name: None if value != value else value for name, value in selection_run(task).items()}


WORKS = {
    "trial": Work("trial", NetworkTask, run_task, TRIAL_COLUMNS, trial_seconds),
    "selection": Work("selection", SelectionTask, _selected, SELECTION_COLUMNS, lambda tasks: 10.0 * len(tasks)),
}


@dataclass(frozen=True)
class Swept:
    """How a sweep ended: how many different tasks there were, how many had a result before, and why some have none now (key to reason)."""

    tasks: int
    known: int
    failed: Mapping[str, str]

    @property
    def finished(self) -> int:
        """Results that are in the table now."""
        return self.tasks - len(self.failed)


def sweep(
    tasks: Iterable[Any],
    table: str | Path,
    pool: Pool | None = None,
    *,
    work: Work | str = "trial",
    again: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Swept:
    """Run the tasks that have no result in the table yet; one that failed keeps its reason and is run again only with `again`.

    Every result is on disk before the next is taken; a sweep that is killed loses the tasks under way and goes on when it is started again. Raises `InputError`
    where there is no task, or the file is no table for this work.
    """
    own = work_named(work)
    named = {own.key(task): task for task in tasks}
    if not named:
        raise InputError("the grid is empty: a sweep needs at least one task")
    with own.table(table) as results:
        known = [key for key in named if key in results.done]
        todo = {key: task for key, task in named.items() if key not in results.done and (again or key not in results.failed)}
        began = time.monotonic()
        for count, (key, found) in enumerate(completed(_worked, {key: (own.run, task) for key, task in todo.items()}, pool or in_process()), 1):
            fields = dataclasses.asdict(named[key])
            try:
                if isinstance(found, Failure):
                    raise InputError(found.reason)
                results.add(key, fields, *found)
            except InputError as error:
                results.fail(key, fields, str(error))
            if progress:
                left = (time.monotonic() - began) / count * (len(todo) - count)
                progress(f"{count} of {len(todo)} tasks, {len(results.failed.keys() & todo.keys())} failed, about {left:.0f} s left")
        return Swept(len(named), len(known), {key: results.failed[key] for key in named if key in results.failed})


def _worked(run: Callable[[Any], Mapping[str, Any]], task: Any) -> tuple[dict[str, Any], float, dict[str, str]]:
    """What a worker does: the result, its seconds, and where it was found."""
    began = time.perf_counter()
    result = dict(run(task))
    return result, time.perf_counter() - began, environment()


def environment() -> dict[str, str]:
    """Versions of the software that results depend on, and the device on which JAX computes."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("sgd-verify", "numpy", "jax", "jaxlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    if "jax" in sys.modules:
        device = sys.modules["jax"].devices()[0]
        found["device"] = f"{device.platform}: {device.device_kind}"
    return found


def work_named(work: Work | str) -> Work:
    """A kind of work. Raises `InputError`."""
    if isinstance(work, Work):
        return work
    if not isinstance(work, str) or work not in WORKS:
        raise InputError(f"work = {work!r} is not known; write one of {', '.join(WORKS)}")
    return WORKS[work]


def grid(work: Work | str = "trial", **axes: Any) -> list[Any]:
    """The tasks of the product of `axes`: a list is an axis, any other value is the same for all tasks. Raises `InputError`."""
    own = work_named(work)
    refuse_unknown(axes, list(own.columns), "of a grid")
    lists = {name: list(values) if isinstance(values, (list, tuple)) else [values] for name, values in axes.items()}
    count = 1
    for name, values in lists.items():
        if not values:
            raise InputError(f"{name} = [] makes the grid empty; give at least one value, or leave it out for the default")
        count *= len(values)
    if count > MAX_TASKS:
        raise InputError(f"the grid has {count} tasks, more than {MAX_TASKS}; shorten its lists")
    return [own.task(**dict(zip(lists, values, strict=True))) for values in itertools.product(*lists.values())]


def load_grid(path: str | Path) -> tuple[Work, list[Any]]:
    """The work and the tasks of a file: `work` ("trial") and [grid], or several [[grid]], with lists whose product is the grid (see `grid`).

    Raises `InputError` (file, key, value, what is violated, what to do).
    """
    try:
        tree, _, _ = read_tree(path, what="grid file", whole=WHOLE)
        refuse_unknown(tree, ["work", "grid"], "of a grid file")
        own = work_named(tree.get("work", "trial"))
        grids = tree.get("grid")
        grids = [grids] if isinstance(grids, dict) else grids
        if not isinstance(grids, list) or not grids or not all(isinstance(one, dict) for one in grids):
            raise InputError("grid is missing or not a table; write [grid] and lists in it, for example size = [4, 8]")
        return own, [task for one in grids for task in grid(own, **one)]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
