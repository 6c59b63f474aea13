"""The results of a sweep as a table on disk, in SQLite.

SQLite and not Parquet: a sweep appends row by row, must lose nothing that is finished when it is killed, and is resumed. SQLite commits each row on its own,
needs nothing beyond the standard library, can be read while it grows, and pandas, polars and DuckDB open it; a Parquet file is written once, as a whole, so it
is an export. `rows.py` shares no code with this: its JSON Lines are the memory of one `sweep` command, values without columns that nobody else reads.

A file holds three tables: `about` (format, version, columns), `environments` (software and device, each once), and `results`: the key of the task, its fields,
what came out, the seconds it took, the environment, and the reason where nothing came out. Missing values are NULL; NaN is refused.
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exact import InputError

if TYPE_CHECKING:
    import numpy as np

FORMAT, VERSION = "sgd-verify-results", 1
TYPES = {"int": "INTEGER", "float": "REAL", "str": "TEXT", "bool": "INTEGER"}
OWN = {"seconds": "float", "environment": "int", "failure": "str"}
PATIENCE = 60.0  # seconds to wait while another sweep writes its row


class ResultTable:
    """The rows of one kind of work; `done` are the keys with a result, `failed` maps keys to reasons. Several sweeps may write to one file at a time."""

    def __init__(self, path: str | Path, work: str, task: Mapping[str, str], result: Mapping[str, str]) -> None:
        """Open or create; `task` and `result` map columns to the names of their types. Raises `InputError` for a file that holds something else."""
        self.path, self.task, self.result = Path(path), dict(task), dict(result)
        about = {"format": FORMAT, "version": VERSION, "work": work, "columns": {"key": "str"} | self.task | self.result | OWN}
        with _understood(self.path):
            self._connection = sqlite3.connect(self.path, timeout=PATIENCE)
            try:
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        _compared(self.path, _about(self._connection, self.path), about)
                    else:
                        self._create(about)
                rows = self._connection.execute("SELECT key, failure FROM results").fetchall()
            except BaseException:
                self._connection.close()
                raise
        self.done = {key for key, failure in rows if failure is None}
        self.failed = {key: failure for key, failure in rows if failure is not None}

    def __enter__(self) -> ResultTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def add(self, key: str, task: Mapping[str, Any], result: Mapping[str, Any], seconds: float, environment: Mapping[str, Any]) -> None:
        """Keep a result; on return it is on disk. Raises `InputError` for a row that does not fit the columns."""
        row = _fitting(task, self.task) | _fitting(result, self.result)
        with _understood(self.path), self._connection:
            text = json.dumps(environment, sort_keys=True)
            self._connection.execute("INSERT OR IGNORE INTO environments (description) VALUES (?)", (text,))
            (number,) = self._connection.execute("SELECT number FROM environments WHERE description = ?", (text,)).fetchone()
            self._put(key, row | {"seconds": seconds, "environment": number, "failure": None})
        self.failed.pop(key, None)
        self.done.add(key)

    def fail(self, key: str, task: Mapping[str, Any], reason: str) -> None:
        """Keep the reason why there is no result, unless another sweep has found one."""
        with _understood(self.path), self._connection:
            self._put(key, _fitting(task, self.task) | {"failure": reason})
        self.failed[key] = reason

    def _put(self, key: str, row: Mapping[str, Any]) -> None:
        names = ["key", *row]
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in row)
        statement = f"INSERT INTO results ({_quoted(names)}) VALUES ({', '.join('?' * len(names))})"
        statement += f" ON CONFLICT (key) DO UPDATE SET {changes} WHERE results.failure IS NOT NULL"
        self._connection.execute(statement, (key, *row.values()))

    def _create(self, about: Mapping[str, Any]) -> None:
        columns = ", ".join(f'"{name}" {TYPES[kind]}' + (" PRIMARY KEY" if name == "key" else "") for name, kind in about["columns"].items())
        self._connection.execute("CREATE TABLE about (content TEXT)")
        self._connection.execute("INSERT INTO about VALUES (?)", (json.dumps(about),))
        self._connection.execute("CREATE TABLE environments (number INTEGER PRIMARY KEY, description TEXT UNIQUE)")
        self._connection.execute(f"CREATE TABLE results ({columns})")


def read_table(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """The columns of a table of results, in the order in which its rows were begun; `pandas.DataFrame(read_table(path))` is a data frame.

    Floats with NaN where there is no value; integers become floats where one is missing; texts have "" for none. Rows of tasks that failed are among them, with
    the reason in `failure`. `environment` is the software and the device, as JSON. Raises `InputError` for a file that is no such table.
    """
    import numpy as np

    where = Path(path)
    if not where.is_file():
        raise InputError(f"table {path} is not a file; name a table of results, which sgd-verify network-sweep --table writes")
    with _understood(where), closing(sqlite3.connect(f"{where.resolve().as_uri()}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
        kinds = _about(connection, where)["columns"] | {"environment": "str"}
        chosen = ", ".join("description" if name == "environment" else f'"{name}"' for name in kinds)
        rows = connection.execute(f"SELECT {chosen} FROM results LEFT JOIN environments ON number = environment ORDER BY results.rowid").fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return {name: _column(np, values, kind) for (name, kind), values in zip(kinds.items(), columns, strict=True)}


def _column(np: Any, values: Any, kind: str) -> Any:
    if kind == "str":
        return np.array(["" if x is None else x for x in values], dtype=str)
    if kind == "float" or None in values:
        return np.array([math.nan if x is None else x for x in values], dtype=float)
    return np.array(values, dtype=bool if kind == "bool" else np.int64)


def csv_text(columns: Mapping[str, Any]) -> str:
    """The table as CSV; missing values are blank."""
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if x != x else x for x in row] for row in zip(*(values.tolist() for values in columns.values()), strict=True))
    return text.getvalue()


def parquet_bytes(columns: Mapping[str, Any]) -> bytes:
    """The table as a Parquet file. Raises `InputError` where pyarrow is not installed."""
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise InputError("a Parquet file needs pyarrow; install it with: pip install pyarrow, or write CSV") from None
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({name: pyarrow.array(values, from_pandas=True) for name, values in columns.items()}), stream)
    return stream.getvalue()


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """What SQLite says about a file that is none of its own, or cannot be opened or written."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if "not a database" in str(error) or "malformed" in str(error) or "no such table" in str(error):
            raise InputError(f"table {path} does not hold the results of a sweep ({error}); name another file, which is then written") from None
        raise InputError(f"table {path} cannot be opened or written: {error}") from None


def _about(connection: sqlite3.Connection, path: Path) -> dict[str, Any]:
    """What a file says about itself. Raises `InputError` where it is another format or version."""
    try:
        found = json.loads(connection.execute("SELECT content FROM about").fetchone()[0])
        known = found["format"] == FORMAT
    except (sqlite3.OperationalError, TypeError, ValueError, KeyError) as error:
        if "locked" in str(error):
            raise
        known = False
    if not known:
        raise InputError(f"table {path} does not hold the results of a sweep; name another file, which is then written")
    if found["version"] != VERSION:
        raise InputError(f"table {path} has version {found['version']} of its format, this program has version {VERSION}; name another file")
    return dict(found)


def _compared(path: Path, found: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    if found["work"] != own["work"]:
        raise InputError(f"table {path} holds results of the work {found['work']!r}, not of {own['work']!r}; name another file")
    if found["columns"] != own["columns"]:
        differing = sorted(set(found["columns"].items()) ^ set(own["columns"].items()))
        raise InputError(f"table {path} has other columns ({', '.join(dict(differing))}), probably from another version; name another file")


def _fitting(row: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
    """The row with Python's own numbers. Raises `InputError` where names or types differ, and for NaN, which says nothing."""
    if set(row) != set(kinds):
        raise InputError(f"the result has the columns {', '.join(row)}; the table has {', '.join(kinds)}")
    plain = {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in kinds}
    for name, value in plain.items():
        kind = type(value).__name__
        if value is not None and kind != kinds[name] and (kind, kinds[name]) != ("int", "float"):
            raise InputError(f"{name} = {value!r} is of type {kind}; the table needs {kinds[name]}")
        if value != value:
            raise InputError(f"{name} = nan is no result; a value that does not exist is None")
    return plain


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
