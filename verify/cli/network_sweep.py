"""The command `network-sweep`: many networks, optimisers, step sizes and seeds, into a table on disk."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from .output import destination, print_json, progress

if TYPE_CHECKING:
    from ..network.sweep import Swept, Work
    from ..sweeps import Pool


def network_sweep(arguments: Namespace) -> int:
    """Run what has no result yet, write the exports, and say which tasks failed; exit code 0 iff every task of the grid has a result."""
    from ..network.sweep import load_grid, sweep
    from ..sweeps.results import csv_text, parquet_bytes, read_table

    table = destination(arguments.table, "--table", (arguments.grid,))
    exports = {option: destination(path, option, (arguments.grid,)) for option, path in _exports(arguments).items()}
    for option, path in exports.items():
        if path == table or list(exports.values()).count(path) > 1:
            raise InputError(f"{option} {path} is also another output of this command; name different files")
    if arguments.scheduler is not None and arguments.workers is not None:
        raise InputError("--workers starts processes here and --scheduler uses a cluster; keep one of them")
    if "--parquet" in exports:
        parquet_bytes({})  # says now, and not after the sweep, that pyarrow is missing
    work, tasks = load_grid(arguments.grid)
    if arguments.dry_run:
        return _planned(arguments, work, tasks)
    with _pool(arguments) as pool, progress() as say:
        swept = sweep(tasks, table, pool, work=work, again=arguments.again, progress=say)
    if exports:
        from ..certificate.format import write_bytes

        columns = read_table(table)
        for option, path in exports.items():
            write_bytes(path, csv_text(columns).encode() if option == "--csv" else parquet_bytes(columns))
    return _told(arguments, swept)


def _exports(arguments: Namespace) -> dict[str, str]:
    return {option: path for option, path in (("--csv", arguments.csv), ("--parquet", arguments.parquet)) if path is not None}


def _planned(arguments: Namespace, work: Work, tasks: list[Any]) -> int:
    from pathlib import Path

    named = {work.key(task): task for task in tasks}
    done: set[str] = set()
    if Path(arguments.table).exists():
        with work.table(arguments.table) as results:
            done = results.done
    left = [task for key, task in named.items() if key not in done]
    seconds = work.seconds(left)
    if arguments.json:
        print_json({"work": work.name, "tasks": len(named), "known": len(named) - len(left), "seconds": round(seconds, 1)})
    else:
        print(f"{len(named)} tasks of the work {work.name}, {len(named) - len(left)} with a result; the others take very roughly {seconds:.0f} s on one core")
    return 0


def _told(arguments: Namespace, swept: Swept) -> int:
    for key, reason in swept.failed.items():
        print(f"sgd-verify: task {key}: {reason}", file=sys.stderr)
    if arguments.json:
        failed = [{"key": key, "reason": reason} for key, reason in swept.failed.items()]
        print_json({"table": arguments.table, "tasks": swept.tasks, "known": swept.known, "finished": swept.finished, "failed": failed})
    else:
        lost = f", {len(swept.failed)} failed (--again runs them once more)" if swept.failed else ""
        print(f"{swept.finished} of {swept.tasks} tasks have a result, {swept.known} of them from before{lost}: {arguments.table}")
    return 1 if swept.failed else 0


def _pool(arguments: Namespace) -> AbstractContextManager[Pool]:
    from ..sweeps import in_process, on_dask, processes

    if arguments.scheduler is not None:
        return on_dask(arguments.scheduler)
    workers = arguments.workers or 1
    return nullcontext(processes(workers) if workers > 1 else in_process())
