"""Sweeps of networks: the table on disk survives kills, failures and other sweeps; grids are exact; a small sweep for real agrees with lambda."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from squares import SQUARES, Square

from verify import InputError
from verify.cli import main
from verify.sweeps import Pool, in_process, on_dask, processes
from verify.sweeps.results import ResultTable, csv_text, parquet_bytes, read_table

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import sweep as module  # noqa: E402
from verify.network.sweep import WORKS, grid, load_grid, sweep  # noqa: E402
from verify.network.trial import TRIAL_COLUMNS, NetworkTask  # noqa: E402

ROOT = Path(__file__).parent.parent

def calls(folder: Path) -> int:
    return len(list(folder.glob("*.*")))


def test_every_result_and_every_reason_is_in_the_table(tmp_path):
    (marks := tmp_path / "marks").mkdir()
    table = tmp_path / "t.sqlite"
    modes = ["plain", "raises", "nan", "minus infinity", "missing", "text", "other columns"]
    tasks = [Square(k, mode, str(marks)) for k, mode in enumerate(modes)]
    told: list[str] = []
    swept = sweep([*tasks, tasks[0]], table, work=SQUARES, progress=told.append)
    assert (swept.tasks, swept.known, swept.finished, len(told), calls(marks)) == (7, 0, 3, 7, 7)
    assert told[-1].startswith("7 of 7 tasks, 4 failed")
    columns = read_table(table)
    np.testing.assert_array_equal(columns["y"], [0.0, np.nan, np.nan, -np.inf, np.nan, np.nan, np.nan])
    assert columns["x"].dtype == np.int64
    reasons = dict(zip(columns["mode"], columns["failure"], strict=True))
    assert [mode for mode in modes if not reasons[mode]] == ["plain", "minus infinity", "missing"]
    for mode, words in {"raises": "ZeroDivisionError: one over zero", "nan": "y = nan is no result", "text": "needs float", "other columns": "z"}.items():
        assert words in reasons[mode]
    assert json.loads(columns["environment"][0])["jax"] == jax.__version__
    assert columns["seconds"][0] < 60

    assert sweep(tasks, table, work=SQUARES).failed == swept.failed  # nothing is run again
    assert calls(marks) == 7
    assert sweep(tasks, table, work=SQUARES, again=True).known == 3
    assert calls(marks) == 7 + 4
    with SQUARES.table(table) as results:
        results.add(SQUARES.key(tasks[2]), vars(tasks[2]), {"y": 4.0, "flags": None}, 0.1, {})
    assert sweep(tasks, table, work=SQUARES).finished == 4
    assert read_table(table)["failure"][2] == ""


def test_a_killed_sweep_loses_the_task_under_way_and_goes_on(tmp_path):
    (marks := tmp_path / "marks").mkdir()
    table = tmp_path / "t.sqlite"
    tasks = [Square(k, "kills once" if k == 3 else "plain", str(marks)) for k in range(5)]
    given = [(x.x, x.mode, x.where) for x in tasks]
    script = f"import squares as t; from verify.network.sweep import sweep; sweep([t.Square(*x) for x in {given}], {str(table)!r}, work=t.SQUARES)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT / "tests", env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(read_table(table)["y"], [0, 1, 4])
    swept = sweep(tasks, table, work=SQUARES)
    assert (swept.known, swept.finished, calls(marks)) == (3, 5, 4 + 2)
    np.testing.assert_array_equal(read_table(table)["y"], [0, 1, 4, 9, 16])


def test_killed_workers_are_survived_and_workers_have_one_thread(tmp_path):
    table = tmp_path / "t.sqlite"
    tasks = [Square(k, "killer" if k == 1 else "plain") for k in range(4)]
    swept = sweep(tasks, table, processes(1), work=SQUARES)
    assert list(swept.failed) == [SQUARES.key(tasks[1])]
    assert "killed its worker" in swept.failed[SQUARES.key(tasks[1])]
    columns = read_table(table)
    assert sorted(columns["y"][columns["failure"] == ""]) == [0, 4, 9]
    assert {text for text in columns["flags"] if text} == {f"1 {os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".replace("  ", " ")}


def test_workers_end_with_a_killed_sweep(tmp_path):
    (marks := tmp_path / "marks").mkdir()
    script = f"sweep([Square(0, 'sleeps', {str(marks)!r})], {str(tmp_path / 't.sqlite')!r}, processes(1), work=SQUARES)"
    imports = "from squares import SQUARES, Square\nfrom verify.network.sweep import sweep\nfrom verify.sweeps import processes\n"
    (tmp_path / "run.py").write_text(f"{imports}if __name__ == '__main__':\n    {script}\n")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    parent = subprocess.Popen([sys.executable, str(tmp_path / "run.py")], env=environment)
    try:
        until(lambda: (marks / "0.0").exists() and (marks / "0.0").read_text())
    finally:
        parent.kill()
        parent.wait()
    worker = int((marks / "0.0").read_text())
    until(lambda: not running(worker))


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def running(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z" if stat.parent.parent.exists() else os.kill(process, 0) is None
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_two_sweeps_may_share_a_table(tmp_path):
    table, task = tmp_path / "t.sqlite", Square(3)
    key = SQUARES.key(task)
    with SQUARES.table(table) as one, SQUARES.table(table) as two:
        one.add(key, vars(task), {"y": 9.0, "flags": "first"}, 1.0, {"device": "a"})
        two.add(key, vars(task), {"y": 9.0, "flags": "second"}, 1.0, {"device": "b"})
        two.fail(key, vars(task), "too late")
        two.fail("other", vars(task), "a reason")
        one.add("other", vars(task), {"y": 9.0, "flags": ""}, 1.0, {"device": "b"})
    columns = read_table(table)
    assert list(columns["flags"]) == ["first", ""]
    assert list(columns["failure"]) == ["", ""]
    assert [json.loads(text)["device"] for text in columns["environment"]] == ["a", "b"]


def test_a_dask_cluster_gives_the_same_rows(tmp_path):
    distributed = pytest.importorskip("distributed")
    tasks = [Square(k) for k in range(6)]
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, processes=False, silence_logs=50)
    with cluster, on_dask(cluster.scheduler_address) as pool:
        assert sweep(tasks, tmp_path / "t.sqlite", pool, work=SQUARES).finished == 6
    assert sorted(read_table(tmp_path / "t.sqlite")["y"]) == [0, 1, 4, 9, 16, 25]


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE precious (x)")
    connection.close()


def other_version(path: Path) -> None:
    with SQUARES.table(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("UPDATE about SET content = replace(content, '\"version\": 1', '\"version\": 99')")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda path: path.write_text("precious notes, not a database at all\n" * 9), "does not hold the results"),
        (Path.mkdir, "cannot be opened"),
        (other_database, "does not hold the results"),
        (other_version, "version 99"),
        (lambda path: sweep([NetworkTask()], path, Pool(in_process().make, 1), work=replace(WORKS["trial"], run=len)), "work 'trial'"),
        (lambda path: replace(SQUARES, result={"y": "float"}).table(path), "other columns \\(flags\\)"),
    ],
)
def test_other_files_are_refused_and_left_alone(made, words, tmp_path):
    path = tmp_path / "t.sqlite"
    made(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(InputError, match=words):
        sweep([Square(1)], path, work=SQUARES)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_reading_what_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is not a file"):
        read_table(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()
    other_database(tmp_path / "other")
    with pytest.raises(InputError, match="does not hold the results"):
        read_table(tmp_path / "other")


def test_an_empty_table_has_columns(tmp_path):
    with SQUARES.table(tmp_path / "t.sqlite"):
        pass
    columns = read_table(tmp_path / "t.sqlite")
    assert {len(values) for values in columns.values()} == {0}
    assert csv_text(columns) == "key,x,mode,where,y,flags,seconds,environment,failure\n"


# --- tasks and grids


def test_keys_are_stable_and_know_every_field():
    trial = WORKS["trial"]
    assert trial.key(NetworkTask()) == "d129b4ead339d1b350771671"  # a change makes every table on disk useless: then raise the work's version
    same = NetworkTask(step_size="0.90 * eta*", radius="1e-5", options={}, momentum="0/7")
    assert same == NetworkTask()
    assert pickle.loads(pickle.dumps(same)) == same
    assert NetworkTask(optimiser="gd", batch=3) == NetworkTask(optimiser="gd")
    changed = {"architecture": "cnn", "options": {"width": 4}, "data": "synthetic", "loss": "squared", "reduction": "sum", "optimiser": "reshuffled"}
    changed |= {"replacement": False, "momentum": "1/2", "step_size": "eta*", "radius": "1e-6"}
    keys = {trial.key(replace(NetworkTask(), **{f.name: changed.get(f.name, 2)})) for f in fields(NetworkTask)}
    assert len(keys | {trial.key(NetworkTask())}) == len(fields(NetworkTask)) + 1
    assert trial.key(NetworkTask()) != replace(trial, version=2).key(NetworkTask())


def test_a_grid_is_the_product_of_its_lists(tmp_path):
    tasks = grid(size=[2, 4], batch=[1, 2], step_size=["1/10", "9/10 eta*"], data="diabetes")
    assert len(set(tasks)) == 8
    assert {task.data for task in tasks} == {"diabetes"}
    path = tmp_path / "g.toml"
    path.write_text('[[grid]]\nsize = [2, 4]\noptions = [{width = 4}, {width = 8}]\n[[grid]]\noptions = {width = 4}\nsize = 2\n')
    work, tasks = load_grid(path)
    assert (work.name, len(tasks), len({work.key(task) for task in tasks})) == ("trial", 5, 4)
    assert {task.options for task in tasks} == {'{"width":4}', '{"width":8}'}


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"sise": [2]}, "did you mean size"),
        ({"size": []}, "makes the grid empty"),
        ({"size": [*range(1, 1500)], "seed": [*range(1500)]}, "more than 1000000"),
        ({"architecture": "resnet"}, "architecture = 'resnet' is not known"),
        ({"architecture": ["mlp", 3]}, "architecture = 3"),
        ({"data": "imagenet"}, "data = 'imagenet'"),
        ({"optimiser": "adam"}, "optimiser = 'adam'"),
        ({"loss": "hinge"}, "loss = 'hinge'"),
        ({"options": {"wide": 3}}, "wide"),
        ({"options": "wide"}, "is not a table"),
        ({"step_size": 0.1}, "is a float"),
        ({"step_size": "0 eta*"}, "not positive"),
        ({"step_size": "big eta*"}, "step_size = 'big'"),
        ({"radius": "1e-9"}, "below 1e-8"),
        ({"momentum": "1"}, "momentum = 1"),
        ({"size": True}, "size = True"),
        ({"seed": -1}, "seed = -1"),
        ({"runs": 0}, "runs = 0"),
        ({"size": 4, "batch": 8, "replacement": False}, "batch = 8"),
        ({"size": 4, "batch": 3, "optimiser": "reshuffled"}, "batch = 3"),
    ],
)
def test_bad_grids(axes, words):
    with pytest.raises(InputError, match=words.replace("*", r"\*")):
        grid(**axes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "grid is missing"),
        ("grid = 3", "grid is missing"),
        ("grid = []", "grid is missing"),
        ('work = "dance"\n[grid]', "work = 'dance'"),
        ("[gird]\nsize = 3", "did you mean grid"),
        ("[grid]\nstep_size = [0.1]", "is a float"),
        ("[grid]\nsize = []", "makes the grid empty"),
        ("[grid", "not TOML"),
        ("[grid]\nsize = [8.0]", "grid.size[0] = 8.0 is a float; write an integer"),
        ("[[grid]]\nsize = [8.0]", "grid[0].size[0] = 8.0 is a float; write an integer"),
    ],
)
def test_bad_grid_files(text, words, tmp_path, capsys):
    path, table = tmp_path / "g.toml", tmp_path / "t.sqlite"
    path.write_text(text)
    assert main(["network-sweep", str(path), "--table", str(table)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert not table.exists()


def test_an_empty_sweep_is_no_success(tmp_path):
    with pytest.raises(InputError, match="at least one task"):
        sweep([], tmp_path / "t.sqlite")
    with pytest.raises(InputError, match="work = 'dance'"):
        sweep([NetworkTask()], tmp_path / "t.sqlite", work="dance")


def test_limits_of_training_without_a_value_are_missing(tmp_path, monkeypatch):
    work = WORKS["selection"]
    row = {name: {"float": math.nan, "int": 3, "str": "", "bool": True}[kind] for name, kind in work.result.items()}
    monkeypatch.setattr(module, "selection_run", lambda _: row)
    assert sweep(grid(work, batch=[1, 2]), tmp_path / "t.sqlite", work=work).finished == 2
    columns = read_table(tmp_path / "t.sqlite")
    assert np.isnan(columns["lambda"]).all()
    assert columns["stands"].all()


# --- for real: a linear network of two layers, D = 88, on two samples

GRID = """
[grid]
architecture = "two-layer-linear"
data = "diabetes"
size = 2
step_size = ["9/10 eta*", "11/10 eta*"]
runs = 8
steps = 2000
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> tuple[Path, Path]:
    """The grid file and the table of a sweep for real."""
    folder = tmp_path_factory.mktemp("real")
    path, table = folder / "grid.toml", folder / "table.sqlite"
    path.write_text(GRID)
    sweep(load_grid(path)[1], table)
    return path, table


def test_runs_do_what_lambda_says(real):
    columns = read_table(real[1])
    assert set(columns) == {"key", "seconds", "environment", "failure"} | {f.name for f in fields(NetworkTask)} | set(TRIAL_COLUMNS)
    assert list(columns["failure"]) == ["", ""]
    assert list(columns["likely"]) == ["negative", "positive"]
    assert list(columns["near"]) == [8, 0]
    assert columns["elsewhere"][1] >= 6
    np.testing.assert_array_equal(columns["near"] + columns["elsewhere"] + columns["away"] + columns["unsettled"], 8)
    np.testing.assert_array_equal(columns["limits_negative"], columns["limits"])
    assert list(columns["limits"]) == [3, 3]
    assert set(columns["paired_verdict"]) == {"agree"}
    assert columns["paired"].max() < 1e-3
    assert np.abs(columns["deviation"]).max() < 4.5
    np.testing.assert_allclose(columns["eta"] / columns["eta_star"], [0.9, 1.1], rtol=1e-6)
    assert (columns["eta_nonexpansive"] <= columns["eta_ms"]).all()
    assert (columns["eta_star"] <= columns["eta_det"]).all()
    assert json.loads(columns["environment"][0])["device"]


def test_the_command(real, tmp_path, capsys):
    path, table = map(str, real)
    assert main(["network-sweep", path, "--table", table, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"work": "trial", "tasks": 2, "known": 2, "seconds": 0.0}
    assert main(["network-sweep", path, "--table", str(tmp_path / "new"), "--dry-run"]) == 0
    assert "2 tasks of the work trial, 0 with a result" in capsys.readouterr().out
    assert not (tmp_path / "new").exists()
    out = tmp_path / "t.csv"
    assert main(["network-sweep", path, "--table", table, "--csv", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"table": table, "tasks": 2, "known": 2, "finished": 2, "failed": []}
    lines = list(csv.DictReader(out.read_text().splitlines()))
    columns = read_table(table)
    assert [float(line["lambda"]) for line in lines] == columns["lambda"].tolist()
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet files need pyarrow")
    (tmp_path / "t.parquet").write_bytes(parquet_bytes(columns))
    assert parquet.read_table(tmp_path / "t.parquet")["near"].to_pylist() == columns["near"].tolist()


def test_failed_tasks_are_named(tmp_path, capsys):
    path, table = tmp_path / "g.toml", tmp_path / "t.sqlite"
    path.write_text('[grid]\narchitecture = "cnn"\ndata = "diabetes"\nsize = 2\n')
    for again in ([], ["--again"]):
        assert main(["network-sweep", str(path), "--table", str(table), "--json", *again]) == 1
        out, err = capsys.readouterr()
        assert "the CNN needs square images" in json.loads(out)["failed"][0]["reason"]
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "2", "--scheduler", "tcp://x:1"], "keep one"),
        (["--csv", "{folder}/t.sqlite"], "also another output"),
        (["--csv", "{folder}/x", "--parquet", "{folder}/x"], "also another output"),
        (["--csv", "{folder}/g.toml"], "overwritten"),
        (["--workers", "0"], "positive integer"),
    ],
)
def test_bad_commands(arguments, words, tmp_path, capsys):
    path = tmp_path / "g.toml"
    path.write_text(GRID)
    given = [x.format(folder=tmp_path) for x in arguments]
    assert main(["network-sweep", str(path), "--table", str(tmp_path / "t.sqlite"), *given]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert path.read_text() == GRID


def test_what_is_missing_is_told_before_the_sweep(tmp_path, capsys, monkeypatch):
    table = tmp_path / "t.sqlite"
    assert main(["network-sweep", str(tmp_path / "none.toml"), "--table", str(table)]) == 2
    assert "the grid file does not exist" in capsys.readouterr().err
    (path := tmp_path / "g.toml").write_text(GRID)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["network-sweep", str(path), "--table", str(table), "--parquet", str(tmp_path / "x")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "needs pyarrow" in err
    assert not table.exists()


# --- the script for the large sweep


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("network_sweep_script", ROOT / "benchmarks" / "network_sweep.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "MODELS", ({"architecture": "two-layer-linear", "data": "diabetes"},))
    monkeypatch.setattr(made, "SMALL", {"size": 2, "step_size": ["9/10 eta*", "11/10 eta*"], "runs": 8, "steps": 2000})
    return made


def test_the_script_sums_up_and_fails_where_lambda_is_wrong(real, script, tmp_path, capsys):
    arguments = ["--small", "--workers", "1", "--table"]
    assert script.main([*arguments, str(real[1])]) == 0
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("two-layer-linear")).split()
    assert line[2:7] == ["2", "0", "1.0000", "0.0000", "0.0000"]
    assert "'device': " in out

    for change in ({"limits_positive": 1}, {"paired_verdict": "disagree"}):
        table = tmp_path / f"{next(iter(change))}.sqlite"
        columns = read_table(real[1])
        with ResultTable(table, "trial", WORKS["trial"].columns, TRIAL_COLUMNS) as results:
            for k, task in enumerate(script.grid_of(script.SMALL, {})):
                row = {name: None if columns[name][k] != columns[name][k] else columns[name][k] for name in TRIAL_COLUMNS}
                results.add(WORKS["trial"].key(task), vars(task), row | change, 1.0, {})
        assert script.main([*arguments, str(table)]) == 1


def test_the_script_says_that_there_is_no_gpu(script, monkeypatch, capsys):
    def jax_module():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "")
    monkeypatch.setattr(script, "jax_module", jax_module)
    for error, words in ((RuntimeError("no such backend\nand more"), "no such backend"), (AssertionError(), "none is installed")):  # noqa: B007
        with pytest.raises(SystemExit, match="2"):
            script.main(["--small", "--device", "gpu"])
        assert f"JAX finds no gpu device ({words}); " in capsys.readouterr().err
    assert os.environ["JAX_PLATFORMS"] == "cuda"
