"""Problem files (TOML or JSON) to `Problem`. Strict: every key is known, every number exact, and every complaint says what to do.

One source, each with its own keys (`KEYS`), and an optimiser:

    features = [["1", "0"], ["1/2", "1"]]     rows x_i of a linear model; optional labels
    features_csv = "data.csv"                 optional rows, columns, intercept, header, and labels or labels_column
    gram = [["1", "1/2"], ["1/2", "2"]]       the Gram matrix K itself
    gram_npy = "kernel.npy"                   a measured K (or gram_csv); needs rationalise = "1e-9", the grid to which it is rounded,
                                              or measured = true: taken as it is, estimates only, up to N = 20,000,
                                              or radius = "1e-6": `box` proves the sign for every K within it
    features_npy = "gradients.npy"            measured gradients, the rows of X (N x D): estimates only, K = X X^T is not formed where D < N
    matrices = [...]                          any square matrices; optional weights; no optimiser

    [optimiser]                               kind "gd": step_size; kind "sgd": step_size, batch (1), replacement (true), weights (uniform; or "kaczmarz");
                                              kind "reshuffled": step_size, batch (1); each also momentum (0) and weight_decay (0)

`weights` may also stand at the top, beside every source with an optimiser also `outputs` (1): with outputs = q sample i owns the rows iq .. iq + q - 1.
Paths in a file are relative to it. `example:NAME` means a problem file that the package carries.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from .exact import InputError, Matrix, Vector, float_message, positive, rational
from .minimum import MeasuredMinimum
from .optimiser import SGD, GradientDescent, Optimiser, Reshuffled
from .problem import Problem, finer_grid
from .result import as_float
from .table import Table

EXAMPLE = "example:"
DEFAULT_EXAMPLE = "example:iris-pair"
MAX_BYTES = 64 << 20
MAX_SAMPLES = 2000
MAX_MEASURED = 400_000_000  # numbers in a measured array: K of 20,000 samples, 3.2 GB in float64

# The keys that may stand beside each source. To add a source: name its keys here and its builder in `_BUILDERS`.
KEYS: dict[str, tuple[str, ...]] = {
    "features": ("labels", "outputs", "weights", "optimiser"),
    "features_csv": ("rows", "columns", "intercept", "header", "labels", "labels_column", "outputs", "weights", "optimiser"),
    "gram": ("radius", "outputs", "weights", "optimiser"),
    "features_npy": ("outputs", "weights", "optimiser"),
    "gram_npy": ("rationalise", "radius", "measured", "outputs", "weights", "optimiser"),
    "gram_csv": ("rationalise", "radius", "measured", "header", "outputs", "weights", "optimiser"),
    "matrices": ("weights",),
}
OPTIMISER_KEYS: dict[str, tuple[str, ...]] = {
    "gd": ("kind", "step_size", "momentum", "weight_decay"),
    "sgd": ("kind", "step_size", "batch", "replacement", "weights", "momentum", "weight_decay"),
    "reshuffled": ("kind", "step_size", "batch", "momentum", "weight_decay"),
}


class _FloatText(str):
    """A float literal as it was spelled in the file, so that the complaint can quote it."""


def load_problem(path: str | Path) -> Problem:
    """The problem in a TOML or JSON file, or a shipped example such as "example:iris-pair".

    Raises `InputError` (file, key, value, what is violated, what to do).
    """
    try:
        tree, folder, name = read_tree(path)
        return _built(tree, folder, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def read_tree(
    path: str | Path, shipped: str = "", what: str = "problem file", whole: tuple[str, ...] = ("batch", "outputs")
) -> tuple[dict[str, Any], Traversable, str]:
    """(content without floats, folder that its paths are relative to, name of the problem) of a problem file; examples are in `shipped` of the data.

    `what` the file is called, and the keys of `whole` numbers, are for complaints.
    """
    folder, file = _located(path, shipped, what)
    tree = _parsed(_read(file, "", what), file.name, what)
    _refuse_floats(tree, "", whole)
    return tree, folder, str(path) if str(path).startswith(EXAMPLE) else Path(path).name


def examples(shipped: str = "") -> tuple[str, ...]:
    """The names of the problem files that the package carries (in a subfolder of its data)."""
    return tuple(sorted(EXAMPLE + entry.name.removesuffix(".toml") for entry in _data(shipped).iterdir() if entry.name.endswith(".toml")))


def _data(shipped: str) -> Traversable:
    return files(__package__).joinpath("data", shipped) if shipped else files(__package__).joinpath("data")


def _located(path: str | Path, shipped: str, what: str) -> tuple[Traversable, Traversable]:
    text = str(path)
    if text.startswith(EXAMPLE):
        if text not in examples(shipped):
            raise InputError(f"{text} is not a shipped example; there are {', '.join(examples(shipped))}")
        return _data(shipped), _data(shipped).joinpath(text.removeprefix(EXAMPLE) + ".toml")
    if not text:
        raise InputError(f"the path of the {what} is empty; give a .toml or .json file, or {examples(shipped)[0] if shipped else DEFAULT_EXAMPLE}")
    return Path(text).parent, Path(text)


def _read(file: Traversable, key: str, what: str = "problem file") -> bytes:
    """The bytes of a file; `key` is where its name comes from, if not from the caller."""
    where = f"{key} = {str(file)!r}" if key else f"the {what}"
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{where} does not exist; {'paths in a problem file are relative to it' if key else 'check the path'}") from None
    except IsADirectoryError:
        raise InputError(f"{where} is a directory; name a file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{where} has more than {MAX_BYTES >> 20} MiB; give a smaller file")
    return content


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _parsed(content: bytes, name: str, what: str) -> dict[str, Any]:
    kind = name.rpartition(".")[2].lower()
    if kind not in ("toml", "json"):
        raise InputError(f"a {what} ends in .toml or .json; rename it, or see `sgd-verify --help`")
    text = _text(content, f"the {what}")
    try:
        if kind == "toml":
            return tomllib.loads(text, parse_float=_FloatText)
        tree = json.loads(text, object_pairs_hook=_object, parse_float=_FloatText, parse_constant=_FloatText, parse_int=_integer)
    except InputError:
        raise
    except RecursionError:
        raise InputError("the file is nested too deeply; a problem file has at most matrices in a list") from None
    except ValueError as error:
        raise InputError(f"not {kind.upper()}: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise InputError("the file holds no object; write {\"features\": ..., \"optimiser\": ...}")
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for i, (key, _) in enumerate(pairs):
        if any(key == other for other, _ in pairs[:i]):
            raise InputError(f"the key {key!r} stands twice in one object; keep one")
    return dict(pairs)


def _integer(text: str) -> int:
    if len(text) > 1001:
        raise InputError(f"an integer with {len(text)} digits is too long; at most 1000 digits can be handled")
    return int(text)


def _refuse_floats(value: Any, path: str, whole: tuple[str, ...]) -> None:
    if isinstance(value, _FloatText):
        if path.rpartition(".")[2].partition("[")[0] in whole:
            raise InputError(f"{path} = {value} is a float; write an integer, such as 8")
        raise InputError(float_message(value.replace("_", ""), path))
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_floats(entry, f"{path}.{key}" if path else str(key), whole)
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            _refuse_floats(entry, f"{path}[{i}]", whole)


def _built(tree: dict[str, Any], folder: Traversable, name: str) -> Problem:
    sources = [key for key in tree if key in KEYS]
    if len(sources) > 1:
        raise InputError(f"{' and '.join(sources)} are both given; keep one source of the problem")
    known = sources[0:1] + list(KEYS[sources[0]] if sources else dict.fromkeys((*KEYS, *(k for keys in KEYS.values() for k in keys))))
    refuse_unknown(tree, known, f"beside {sources[0]}" if sources else "in a problem file")
    if not sources:
        raise InputError(f"no source of the problem is given; write one of {', '.join(KEYS)}")
    return _BUILDERS[sources[0]](tree, folder, name)


def refuse_unknown(table: dict[str, Any], known: list[str], where: str, prefix: str = "") -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.6)
            hint = f"did you mean {near[0]}?" if near else f"there may be {', '.join(known)}"
            value = repr(table[key])
            raise InputError(f"{prefix}{key} = {value if len(value) <= 40 else value[:37] + '...'} is not a known key {where}; {hint}")


def optimiser_of(tree: dict[str, Any]) -> Optimiser:
    """The optimiser of the table [optimiser] (and of `weights` at the top). Raises `InputError`."""
    if "optimiser" not in tree:
        raise InputError("optimiser is missing; write for example kind = \"sgd\" and step_size = \"1/10\" in a table [optimiser]")
    table = tree["optimiser"]
    if not isinstance(table, dict):
        raise InputError(f"optimiser = {table!r} is not a table; write kind = \"sgd\" and step_size = \"1/10\" in it")
    every = list(dict.fromkeys(key for keys in OPTIMISER_KEYS.values() for key in keys))
    refuse_unknown(table, every, "of an optimiser", "optimiser.")
    for key, example in (("kind", "\"sgd\" or \"gd\""), ("step_size", "\"1/10\"")):
        if key not in table:
            raise InputError(f"optimiser.{key} is missing; write for example {key} = {example}")
    kind = table["kind"]
    if not isinstance(kind, str) or kind not in OPTIMISER_KEYS:
        raise InputError(f"optimiser.kind = {kind!r} is not known; write \"sgd\", \"gd\" or \"reshuffled\"")
    refuse_unknown(table, list(OPTIMISER_KEYS[kind]), f"of a {kind} optimiser", "optimiser.")
    step_size = positive(table["step_size"], "optimiser.step_size")
    more = {key: rational(table[key], f"optimiser.{key}") for key in ("momentum", "weight_decay") if key in table}
    if kind != "sgd":
        if "weights" in tree:
            who = "gradient descent uses every sample equally" if kind == "gd" else "a reshuffled epoch visits every sample once"
            raise InputError(f"weights are given, but {who}; leave them out or use kind = \"sgd\"")
        return GradientDescent(step_size, **more) if kind == "gd" else Reshuffled(step_size, table.get("batch", 1), **more)
    if "weights" in tree and "weights" in table:
        raise InputError("weights and optimiser.weights are both given; keep one")
    weights = table.get("weights", tree.get("weights"))
    if weights is not None and weights != "kaczmarz" and (not isinstance(weights, list) or not weights):
        raise InputError(f"weights = {weights!r} is not a nonempty list of positive numbers; write one weight for each sample, or \"kaczmarz\"")
    return SGD(step_size, table.get("batch", 1), table.get("replacement", True), weights, more.get("momentum", 0), more.get("weight_decay", 0))


def _bounded(count: int) -> None:
    if count > MAX_SAMPLES:
        raise InputError(f"{count} samples are more than the {MAX_SAMPLES} that a problem file may have; choose fewer rows")


def _labels(tree: dict[str, Any]) -> Any:
    if "labels" in tree and not isinstance(tree["labels"], list):
        raise InputError(f"labels = {tree['labels']!r} is not a list of numbers; write one label for each row, or labels_column with features_csv")
    return tree.get("labels")


def _from_features(tree: dict[str, Any], _: Traversable, name: str) -> Problem:
    if isinstance(tree["features"], list):
        _bounded(len(tree["features"]))
    return Problem.from_features(tree["features"], optimiser_of(tree), _labels(tree), outputs=tree.get("outputs", 1), name=name)


def _from_gram(tree: dict[str, Any], _: Traversable, name: str) -> Problem:
    if isinstance(tree["gram"], list):
        _bounded(len(tree["gram"]))
    return replace(Problem.from_gram(tree["gram"], optimiser_of(tree), outputs=tree.get("outputs", 1), name=name), radius=_radius(tree))


def _from_matrices(tree: dict[str, Any], _: Traversable, name: str) -> Problem:
    weights = tree.get("weights")
    if weights is not None and not isinstance(weights, list):
        raise InputError(f"weights = {weights!r} is not a list of positive numbers; write one weight for each matrix")
    return Problem.from_matrices(tree["matrices"], weights, name=name)


def _from_features_csv(tree: dict[str, Any], folder: Traversable, name: str) -> Problem:
    optimiser = optimiser_of(tree)
    table = _table(tree, folder, "features_csv")
    if "labels" in tree and "labels_column" in tree:
        raise InputError("labels and labels_column are both given; keep one")
    label = table.column(tree["labels_column"], "labels_column") if "labels_column" in tree else None
    rows, columns = _rows(tree, table), _columns(tree, table, label)
    _bounded(len(rows))
    features: tuple[Vector, ...] = table.numbers(rows, columns)
    notes: tuple[str, ...] = ()
    if _truth(tree, "intercept"):
        one = positive(1, "intercept")
        features, notes = tuple((*row, one) for row in features), ("a column of ones (the intercept) was appended to the features",)
    labels = _labels(tree) if label is None else [row[0] for row in table.numbers(rows, [label])]
    return Problem.from_features(features, optimiser, labels, outputs=tree.get("outputs", 1), name=name, notes=notes)


def _table(tree: dict[str, Any], folder: Traversable, key: str) -> Table:
    content = _referenced(tree, folder, key)
    return Table.parse(_text(content, f"{key} = {tree[key]!r}"), tree[key], _truth(tree, "header"))


def _referenced(tree: dict[str, Any], folder: Traversable, key: str) -> bytes:
    if not isinstance(tree[key], str) or not tree[key]:
        raise InputError(f"{key} = {tree[key]!r} is not a path; write the name of a file in quotes")
    return _read(folder.joinpath(tree[key]), key)


def _truth(tree: dict[str, Any], key: str) -> bool | None:
    value = tree.get(key)
    if value is not None and not isinstance(value, bool):
        raise InputError(f"{key} = {value!r} is not a truth value; write true or false")
    return value


def _rows(tree: dict[str, Any], table: Table) -> list[int]:
    if "rows" not in tree:
        return list(range(len(table.rows)))
    rows = tree["rows"]
    if not isinstance(rows, list) or not rows:
        raise InputError(f"rows = {rows!r} is not a nonempty list of 0-based row numbers; write for example [0, 4]")
    for i, row in enumerate(rows):
        if isinstance(row, bool) or not isinstance(row, int):
            raise InputError(f"rows[{i}] = {row!r} is not a 0-based row number; write an integer")
        if not 0 <= row < len(table.rows):
            raise InputError(f"rows[{i}] = {row} is not a row of {table.name}, whose rows of data are numbered from 0 to {len(table.rows) - 1}")
    return rows


def _columns(tree: dict[str, Any], table: Table, label: int | None) -> list[int]:
    if "columns" not in tree:
        found = [j for j in range(table.width) if j != label]
        if not found:
            raise InputError(f"{table.name} has no column besides labels_column; add columns of features")
        return found
    columns = tree["columns"]
    if not isinstance(columns, list) or not columns:
        raise InputError(f"columns = {columns!r} is not a nonempty list of names or 0-based numbers; write for example [\"x\", \"y\"] or [0, 1]")
    found = [table.column(key, f"columns[{i}]") for i, key in enumerate(columns)]
    for i, j in enumerate(found):
        if j in found[:i]:
            raise InputError(f"columns[{i}] = {columns[i]!r} is listed twice; keep one")
        if j == label:
            raise InputError(f"columns[{i}] = {columns[i]!r} is also labels_column; labels are not features, so remove it from one of them")
    return found


def _from_gram_csv(tree: dict[str, Any], folder: Traversable, name: str) -> Problem:
    def rows() -> Any:
        numbers: Matrix = _table(tree, folder, "gram_csv").all_numbers()
        return [[as_float(x) for x in row] for row in numbers]

    return _measured(tree, name, "gram_csv", rows)


def _from_gram_npy(tree: dict[str, Any], folder: Traversable, name: str) -> Problem:
    return _measured(tree, name, "gram_npy", lambda: _npy(tree, folder, "gram_npy"))


def _npy(tree: dict[str, Any], folder: Traversable, key: str) -> Any:
    """A large array; it is read once its size is known to be bearable."""
    import numpy as np

    if not isinstance(tree[key], str) or not tree[key]:
        raise InputError(f"{key} = {tree[key]!r} is not a path; write the name of a file in quotes")
    where = f"{key} = {tree[key]!r}"
    try:
        mapped = np.load(str(folder.joinpath(tree[key])), mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.ndarray) or mapped.dtype.kind not in "fiu":
            raise InputError(f"{where} holds no array of real numbers; save K (or X) with numpy.save as float64 or float32")
        if mapped.size > MAX_MEASURED:
            raise InputError(f"{where} has {mapped.size} numbers, more than the {MAX_MEASURED} that are read; choose fewer samples")
        return np.array(mapped)
    except FileNotFoundError:
        raise InputError(f"{where} does not exist; paths in a problem file are relative to it") from None
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{where} is not a .npy array of numbers: {' '.join(str(error).split())}") from None


def _from_features_npy(tree: dict[str, Any], folder: Traversable, name: str) -> Problem:
    return Problem.measured_features(_npy(tree, folder, "features_npy"), optimiser_of(tree), outputs=tree.get("outputs", 1), name=name)


def _measured(tree: dict[str, Any], name: str, key: str, rows: Callable[[], Any]) -> Problem:
    if _truth(tree, "measured"):
        if "rationalise" in tree or "radius" in tree:
            raise InputError("measured = true takes K as it is, rationalise rounds it and radius needs a rounded one; keep one of them")
        return Problem.measured(rows(), optimiser_of(tree), outputs=tree.get("outputs", 1), name=name)
    radius = _radius(tree)
    if "rationalise" not in tree and radius is None:
        raise InputError(f"{key} holds a measured K, so rationalise is needed; write rationalise = \"1e-9\", the grid to which its entries are rounded, "
                         "or radius = \"1e-6\" to prove the sign for every K within it, or measured = true for estimates only")  # fmt: skip
    spacing = positive(tree["rationalise"], "rationalise") if "rationalise" in tree or radius is None else finer_grid(radius)
    optimiser, gram = optimiser_of(tree), rows()
    _bounded(len(gram) if getattr(gram, "ndim", 2) else 1)
    measured = Problem.measured(gram, optimiser, outputs=tree.get("outputs", 1), name=name)
    problem = measured.rationalised(spacing)
    assert isinstance(measured.minimum, MeasuredMinimum)
    return problem if radius is None else replace(problem, radius=radius + measured.minimum.rationalised(spacing)[1])


def _radius(tree: dict[str, Any]) -> Fraction | None:
    return positive(tree["radius"], "radius") if "radius" in tree else None


_BUILDERS: dict[str, Callable[[dict[str, Any], Traversable, str], Problem]] = {
    "features": _from_features,
    "features_csv": _from_features_csv,
    "gram": _from_gram,
    "features_npy": _from_features_npy,
    "gram_npy": _from_gram_npy,
    "gram_csv": _from_gram_csv,
    "matrices": _from_matrices,
}
