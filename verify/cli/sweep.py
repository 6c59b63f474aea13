"""The command `sweep`: a table of exponents along step sizes, of one problem or of many, on many workers."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from ..problem_file import EXAMPLE, load_problem
from .output import destination, print_json, progress

if TYPE_CHECKING:
    from ..report.sweep import Row
    from ..sweeps import Pool

ENOUGH = 8  # so many rows are worth the start of worker processes
MEASURED_BYTES = 1 << 20  # larger data are read by the workers themselves


def sweep(arguments: Namespace) -> int:
    """Compute, write the table, and say which rows have no result; exit code 0 iff the signs of mu and lambda are proved in all of them."""
    from ..certificate.format import write_text
    from ..report.sweep import Job, step_sizes, sweep_all, wide_table

    paths = _files(arguments.problem)
    out = destination(arguments.csv, "--csv", tuple(paths))
    resume = destination(arguments.resume, "--resume", tuple(paths)) if arguments.resume is not None else None
    if resume == out:
        raise InputError(f"--resume {arguments.resume} is the file of --csv, which would overwrite its rows; name two files")
    along = (arguments.start, arguments.stop, arguments.steps)
    if any(x is not None for x in along) and None in along:
        raise InputError("--from, --to and --steps belong together; without them every problem is taken at its own step size")
    etas = step_sizes(*along) if arguments.start is not None else (None,)
    if arguments.scheduler is not None and arguments.workers is not None:
        raise InputError("--workers starts processes here and --scheduler uses a cluster; keep one of them")
    problems = [load_problem(path) for path in paths]
    for path, problem in zip(paths, problems, strict=True):
        if problem.optimiser is None and arguments.start is not None:
            raise InputError(f"{path}: a family of bare matrices has no step size; give features or gram and an optimiser, or leave --from, --to, --steps out")
    jobs = [
        Job(path, str(Path(path).resolve()) if _large(problem) else problem, eta) for path, problem in zip(paths, problems, strict=True) for eta in etas
    ]
    options: dict[str, Any] = {"time_limit": arguments.time_limit, "seed": arguments.seed}
    options |= {"value_width": arguments.width} if arguments.width is not None else {}
    with _pool(arguments, len(jobs)) as pool, progress() as say:
        rows = sweep_all(jobs, pool, resume=resume, progress=say, **options)
    write_text(out, wide_table(rows, several=len(paths) > 1))
    return _told(arguments, rows, len(paths))


def _told(arguments: Namespace, rows: list[Row], problems: int) -> int:
    decided, failed = sum(one.decided for one in rows), [one for one in rows if one.failure]
    for one in failed:
        at = f" at step size {one.job.step_size}" if one.job.step_size is not None else ""
        print(f"sgd-verify: {one.job.name}{at}: {one.failure}", file=sys.stderr)
    if arguments.json:
        answer: dict[str, Any] = {"csv": arguments.csv, "rows": len(rows), "decided": decided}
        answer |= {"problems": problems} if problems > 1 else {}
        answer |= {"failed": [{"problem": x.job.name, "step_size": str(x.job.step_size or ""), "reason": x.failure} for x in failed]} if failed else {}
        print_json(answer)
    else:
        what = f"{len(rows)} step sizes" if problems == 1 else f"{len(rows)} rows of {problems} problems"
        lost = f", no result in {len(failed)}" if failed else ""
        print(f"{what}, signs of mu and lambda proved at {decided}{lost}: {arguments.csv}")
    return 0 if decided == len(rows) else 1


def _files(given: list[str]) -> list[str]:
    """Problem files in the order given; of a folder those that end in .toml or .json."""
    found: list[str] = []
    for one in given:
        if one.startswith(EXAMPLE) or not Path(one).is_dir():
            found.append(one)
            continue
        inside = sorted(str(path) for path in Path(one).iterdir() if path.suffix.lower() in (".toml", ".json"))
        if not inside:
            raise InputError(f"the folder {one} holds no problem file (.toml or .json); name files, or a folder of them")
        found += inside
    if twice := next((one for one in found if found.count(one) > 1), None):
        raise InputError(f"{twice} is named twice; name it once")
    return found


def _large(problem: Any) -> bool:
    from ..measured import MeasuredFeatures
    from ..minimum import MeasuredMinimum

    minimum = problem.minimum
    data = minimum.features if isinstance(minimum, MeasuredFeatures) else minimum.gram if isinstance(minimum, MeasuredMinimum) else None
    return data is not None and data.nbytes > MEASURED_BYTES


def _pool(arguments: Namespace, rows: int) -> AbstractContextManager[Pool]:
    from ..sweeps import in_process, on_dask, processes

    if arguments.scheduler is not None:
        return on_dask(arguments.scheduler)
    if arguments.workers is not None:
        return nullcontext(processes(arguments.workers))
    from ..exponent.sampling import available_cores

    cores = min(available_cores(), rows)
    return nullcontext(processes(cores) if cores > 1 and rows >= ENOUGH else in_process())
