"""Sweeps over many problems: the same table from every executor, killed workers, files to resume from, the command line."""

import csv
import json
import os
import signal
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from verify import InputError, load_problem
from verify.cli import main
from verify.report import sweep as report
from verify.report.sweep import COLUMNS, Job, step_sizes, sweep_all, wide_table
from verify.sweeps import Failure, Pool, completed, executors, in_process, on_dask, processes
from verify.sweeps.rows import Rows

OPTIONS = {"time_limit": 30.0, "seed": 0, "value_width": Fraction(1, 10)}  # the time limit is not to be reached


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two exact problems, a large exact one that needs Monte Carlo, matrices, and a measured one."""
    where = tmp_path / "problems"
    where.mkdir()
    sgd = '\n[optimiser]\nkind = "sgd"\nstep_size = "5/4"\n'
    (where / "a.toml").write_text('gram = [["1", "1/2"], ["1/2", "2"]]' + sgd)
    (where / "b.toml").write_text('gram = [["1", "1/3"], ["1/3", "1"]]' + sgd)
    k = np.eye(5, dtype=int) * 2 + np.diag([0, 1, 0, 1, 0]) + 1
    (where / "c.json").write_text(json.dumps({"gram": k.tolist(), "optimiser": {"kind": "sgd", "step_size": "7/10"}}))
    np.save(where / "k.npy", np.eye(6) + 0.2)
    (where / "m.toml").write_text('gram_npy = "k.npy"\nmeasured = true' + sgd)
    return where


def jobs_of(folder: Path) -> list[Job]:
    paths = sorted(str(path) for path in folder.iterdir() if path.suffix in (".toml", ".json"))
    return [Job(path, load_problem(path), eta) for path in paths for eta in step_sizes("3/10", "6/5", 2)]


@pytest.fixture
def expected(folder: Path) -> str:
    return wide_table(sweep_all(jobs_of(folder), **OPTIONS), several=True)


def test_every_executor_gives_the_same_table(folder, expected):
    lines = list(csv.DictReader(expected.splitlines()))
    assert len(lines) == 8
    assert {line["lambda_kind"] for line in lines} > {"estimate"}
    jobs = jobs_of(folder)
    for pool in (processes(2), Pool(lambda: ThreadPoolExecutor(3), 5)):
        assert wide_table(sweep_all(jobs, pool, **OPTIONS), several=True) == expected
    by_path = [Job(job.name, job.name, job.step_size) for job in jobs]
    assert wide_table(sweep_all(by_path, in_process(), **OPTIONS), several=True) == expected


def test_a_dask_cluster_gives_the_same_table(folder, expected, tmp_path, capsys):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, processes=True, silence_logs=50) as cluster:
        out = tmp_path / "t.csv"
        along = ["--from", "3/10", "--to", "6/5", "--steps", "2", "--time-limit", "30", "--width", "1/10"]
        assert main([str(x) for x in ("sweep", folder, *along, "--csv", out, "--scheduler", cluster.scheduler_address)]) in (0, 1)
        assert out.read_text() == expected
        with on_dask(cluster.scheduler_address) as pool:
            found = dict(completed(divided, {"1": (6, 3), "2": (1, 0)}, pool))
    assert found["1"] == 2
    assert "ZeroDivisionError" in found["2"].reason
    assert "rows of 4 problems" in capsys.readouterr().out


def test_without_dask_the_command_says_what_to_install(folder, tmp_path, monkeypatch, capsys):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(executors, "import_module", missing)
    assert main(["sweep", str(folder), "--csv", str(tmp_path / "t.csv"), "--scheduler", "tcp://127.0.0.1:1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert 'pip install "sgd-verify[distributed]"' in err
    assert err.count("\n") == 1


# --- tasks of worker processes must be importable, so they stand here


def divided(a: int, b: int) -> float:
    return a / b


def deadly(name: str, where: str) -> str:
    """Kills its worker every time ("killer"), the first time only ("once"), or not at all."""
    marker = Path(where) / name
    if name == "killer" or (name == "once" and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()


def test_killed_workers_are_survived(tmp_path):
    names = ["a", "killer", "b", "once", "c", "d"]
    found = dict(completed(deadly, {name: (name, str(tmp_path)) for name in names}, processes(2)))
    assert set(found) == set(names)
    assert isinstance(found["killer"], Failure)
    assert "killed its worker 2 times" in found["killer"].reason
    assert {name: found[name] for name in names if name != "killer"} == {name: name.upper() for name in names if name != "killer"}


@pytest.mark.slow
def test_killed_workers_of_a_cluster_are_survived(tmp_path):
    distributed = pytest.importorskip("distributed")
    names = ["a", "killer", "b", "once"]
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    with cluster, on_dask(cluster.scheduler_address) as pool:
        found = dict(completed(deadly, {name: (name, str(tmp_path)) for name in names}, pool))
    assert set(found) == set(names)
    assert "killed its workers" in found.pop("killer").reason
    assert found == {name: name.upper() for name in found}


class Broken(ThreadPoolExecutor):
    """An executor that refuses everything."""

    def submit(self, *_, **__) -> Future:
        raise BrokenExecutor


def test_a_pool_that_never_works_is_given_up():
    found = dict(completed(divided, {"1": (6, 3), "2": (6, 2)}, Pool(lambda: Broken(1), 2)))
    assert all(isinstance(one, Failure) for one in found.values())
    assert len(found) == 2


def test_a_row_that_fails_is_named(folder, tmp_path, monkeypatch, capsys):
    honest = report.computed

    def failing(problem, step_size, options):
        if "a.toml" in problem.name:
            raise MemoryError("too large")
        return honest(problem, step_size, options)

    monkeypatch.setattr(report, "computed", failing)
    out = tmp_path / "t.csv"
    assert main(["sweep", str(folder / "a.toml"), str(folder / "b.toml"), "--csv", str(out), "--width", "1/10", "--json"]) == 1
    text, err = capsys.readouterr()
    answer = json.loads(text)
    assert answer["failed"] == [{"problem": str(folder / "a.toml"), "step_size": "", "reason": "MemoryError: too large"}]
    assert (answer["rows"], answer["decided"], answer["problems"]) == (2, 1, 2)
    assert "a.toml: MemoryError" in err
    lines = list(csv.DictReader(out.read_text().splitlines()))
    assert lines[0]["error"] == "MemoryError: too large"
    assert lines[0]["lambda_sign"] == ""
    assert (lines[1]["error"], lines[1]["step_size"]) == ("", "5/4")


def test_a_stopped_sweep_goes_on(folder, expected, tmp_path, monkeypatch):
    jobs, rows, calls = jobs_of(folder), tmp_path / "rows", 0
    honest = report.computed

    def counted(*arguments):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(report, "computed", counted)
    with pytest.raises(KeyboardInterrupt):
        sweep_all(jobs, resume=rows, **OPTIONS)
    with rows.open("a") as file:
        file.write('{"key": "torn')
    assert wide_table(sweep_all(jobs, resume=rows, **OPTIONS), several=True) == expected
    assert calls == 4 + 5
    assert wide_table(sweep_all(jobs, resume=rows, **OPTIONS), several=True) == expected
    assert calls == 9
    sweep_all(jobs[:1], resume=rows, **OPTIONS | {"seed": 1})  # another question
    assert calls == 10
    np.save(folder / "k.npy", np.eye(6) + 0.3)  # other data
    sweep_all(jobs_of(folder)[-1:], resume=rows, **OPTIONS)
    assert calls == 11


def test_rows_are_not_written_over_other_files(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("precious\n")
    with pytest.raises(InputError, match="does not hold the rows"):
        Rows(other)
    assert other.read_text() == "precious\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{folder}", "--from", "1"], "belong together"),
        (["{folder}", "--workers", "2", "--scheduler", "tcp://x:1"], "keep one"),
        (["{folder}", "{folder}/a.toml"], "named twice"),
        (["{empty}"], "holds no problem file"),
        (["{folder}", "--workers", "0"], "positive integer"),
        (["{folder}", "--resume", "{folder}/a.toml"], "overwritten"),
    ],
)
def test_bad_input(arguments, words, folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    given = [x.format(folder=folder, empty=tmp_path / "empty") for x in arguments]
    assert main(["sweep", *given, "--csv", str(tmp_path / "t.csv")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert not (tmp_path / "t.csv").exists()


def test_problems_without_a_step_size(folder, tmp_path, capsys):
    (folder / "a.toml").write_text('matrices = [[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]]')
    out = tmp_path / "t.csv"
    assert main(["sweep", str(folder / "a.toml"), str(folder / "b.toml"), "--csv", str(out), "--width", "1/10", "--workers", "1"]) == 0
    lines = list(csv.DictReader(out.read_text().splitlines()))
    assert [line["step_size"] for line in lines] == ["", "5/4"]
    assert lines[0]["lambda_sign"] == "positive"
    assert set(lines[0]) == {"problem", *COLUMNS, "error"}
    assert main(["sweep", str(folder / "a.toml"), "--from", "1", "--to", "2", "--steps", "2", "--csv", str(out)]) == 2
    assert "no step size" in capsys.readouterr().err


def test_the_table_may_not_overwrite_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = tmp_path / "p.toml"
    problem.write_text('gram = [["1", "1/2"], ["1/2", "2"]]\n[optimiser]\nkind = "sgd"\nstep_size = "1/2"\n')
    assert main(["sweep", str(problem), "--csv", str(tmp_path / "x"), "--resume", str(tmp_path / "x")]) == 2
    assert "two files" in capsys.readouterr().err
