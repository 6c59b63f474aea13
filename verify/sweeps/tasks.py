"""Running tasks to the end, whatever happens to the workers.

A broken pool (a worker was killed, typically for want of memory) loses all tasks under way and does not say which one was to blame. They are then run again,
each alone on a new executor; a task whose worker dies `ATTEMPTS` times while it is alone is named and given up. So every other task gets its result.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any

from .executors import Pool, stopped

ATTEMPTS = 2


@dataclass(frozen=True)
class Failure:
    """Why a task has no result."""

    reason: str


def completed(work: Callable[..., Any], tasks: Mapping[str, tuple[Any, ...]], pool: Pool) -> Iterator[tuple[str, Any]]:
    """(key, work(*arguments) or a `Failure`) for each task, in the order in which they end. `work` and its arguments must be picklable."""
    waiting, suspects, deaths = deque(tasks), deque[str](), Counter[str]()
    executor, pending, alone, finished = pool.make(), dict[Future[Any], str](), False, False
    try:
        while waiting or suspects or pending:
            alone = bool(suspects) if not pending else alone
            source, room = (suspects, 0 if pending else 1) if alone else (waiting, pool.window - len(pending))
            lost = []
            for key in [source.popleft() for _ in range(min(room, len(source)))]:
                try:
                    pending[executor.submit(work, *tasks[key])] = key
                except BrokenExecutor:  # since the last result was seen
                    lost.append(key)
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                key = pending.pop(future)
                try:
                    result = future.result()
                except (BrokenExecutor, CancelledError):
                    lost.append(key)
                    continue
                except Exception as error:
                    result = Failure(_explained(error))
                yield key, result
            if not lost:
                continue
            lost += pending.values()
            pending.clear()
            stopped(executor)
            executor = pool.make()
            if len(lost) == 1:
                deaths.update(lost)
            for key in lost:
                if deaths[key] < ATTEMPTS:
                    suspects.append(key)
                else:
                    yield key, Failure(f"it killed its worker {ATTEMPTS} times when it ran alone; perhaps it needs more memory than there is")
        finished = True
    finally:
        if finished:
            executor.shutdown()
        else:
            stopped(executor)


def _explained(error: Exception) -> str:
    from ..exact import InputError

    if type(error).__name__ == "KilledWorker":  # Dask has moved the task from worker to worker
        return "it killed its workers one after the other; perhaps it needs more memory than there is"
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
