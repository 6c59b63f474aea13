"""Where tasks run: a `Pool` makes executors, again after one has broken. Imports nothing heavy: workers set their environment before NumPy is loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import connection, get_context, parent_process
from typing import Any

from ..exact import InputError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")  # the last one sizes XLA's pool of threads
SERIAL = "--xla_cpu_multi_thread_eigen=false"


@dataclass(frozen=True)
class Pool:
    """How to make an executor, and how many tasks to give it at a time (so that many large tasks need not be in memory at once)."""

    make: Callable[[], Executor]
    window: int


class _Here(Executor):
    """Runs a task when it is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def in_process() -> Pool:
    """One task after the other in this process; a task that kills it is not survived."""
    return Pool(_Here, 1)


def processes(workers: int) -> Pool:
    """Worker processes (spawned, so that no lock is inherited), each with one thread for linear algebra and JAX; they end when this process does."""
    return Pool(lambda: ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread), workers + 1)


def _one_thread() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its workers
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SERIAL}".strip()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several workers may share a GPU
    threading.Thread(target=_end_with, args=(parent_process(),), daemon=True).start()


def _end_with(parent: Any) -> None:
    """A worker whose parent was killed would wait for tasks forever."""
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def on_dask(address: str) -> Iterator[Pool]:
    """A Dask cluster by the address of its scheduler, such as tcp://host:8786. Raises `InputError` where Dask is not installed or does not answer."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise InputError("--scheduler needs Dask; install it with: pip install \"sgd-verify[distributed]\"") from None
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"--scheduler {address} does not answer ({' '.join(str(error).split()) or type(error).__name__}); give tcp://HOST:PORT") from None
    with client:
        cores = sum(client.ncores().values())
        yield Pool(lambda: client.get_executor(pure=False), 2 * max(1, cores))


def stopped(executor: Executor) -> None:
    """End an executor at once, with its own worker processes if it has any."""
    workers = list((getattr(executor, "_processes", None) or {}).values())
    try:
        executor.shutdown(wait=False, cancel_futures=True)
    except TypeError:  # Dask's always cancels what has not begun
        executor.shutdown(wait=False)
    for worker in workers:
        worker.terminate()
