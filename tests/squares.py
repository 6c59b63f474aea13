"""A cheap kind of work for sweeps, in a module that worker processes import quickly."""

from __future__ import annotations

import math
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from verify.network.sweep import Work


@dataclass(frozen=True)
class Square:
    x: int
    mode: str = "plain"
    where: str = ""


def squared(task: Square) -> dict[str, object]:
    """x^2, or trouble; each call leaves a mark in the folder `where`."""
    if task.where:
        marks = Path(task.where)
        (marks / f"{task.x}.{len(list(marks.glob(f'{task.x}.*')))}").write_text(str(os.getpid()))
    if task.mode == "raises":
        raise ZeroDivisionError("one over zero")
    if task.mode == "killer" or (task.mode == "kills once" and not (Path(task.where) / f"{task.x}.1").exists()):
        os.kill(os.getpid(), signal.SIGKILL)
    if task.mode == "sleeps":
        time.sleep(600)
    flags = f"{os.environ.get('NPROC')} {os.environ.get('XLA_FLAGS')}"
    y = {"nan": math.nan, "minus infinity": -math.inf, "missing": None, "text": "4"}.get(task.mode, float(task.x**2))
    return {"y": y, "flags": flags} if task.mode != "other columns" else {"z": y}


SQUARES = Work("squares", Square, squared, {"y": "float", "flags": "str"}, lambda tasks: 2.0 * len(tasks))
