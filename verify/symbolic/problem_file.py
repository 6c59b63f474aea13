"""Problem files with symbols. The format is that of `verify.problem_file`, and beyond it:

    symbols = { eta = "positive", theta = "real", k = "0 < k < 1" }      what the names in the entries mean
    gram = [["1", "k"], ["k", "2"]]                                      any entry may be an expression in them
    population = { law = "gaussian", dimension = 2, scale = "s" }        or law = "isotropic": a fresh random input at every step, instead of a data set

    [optimiser]                                                          also momentum and weight_decay
    kind = "sgd"
    step_size = "eta"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..exact import InputError
from ..problem_file import KEYS, OPTIMISER_KEYS, load_problem, read_tree, refuse_unknown
from .assumptions import Assumptions, declared
from .expressions import parse
from .problem import SymbolicProblem

SOURCES = ("features", "gram", "matrices", "population")
_OPTIMISER = OPTIMISER_KEYS["sgd"]
Read = Callable[[Any, str], Any]


def load_symbolic_problem(path: str | Path) -> SymbolicProblem:
    """The problem in a TOML or JSON file, with or without symbols. Raises `InputError` (file, key, value, what is violated, what to do)."""
    try:
        tree, _, name = read_tree(path)
        sources = [key for key in tree if key in SOURCES]
        if len(sources) > 1:
            raise InputError(f"{' and '.join(sources)} are both given; keep one source of the problem")
        if sources:
            return _built(tree, sources[0], name)
        if "symbols" in tree:
            raise InputError(f"symbols are declared, but no source of the problem can hold them; write one of {', '.join(SOURCES)}")
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return SymbolicProblem.of(load_problem(path))


def _built(tree: dict[str, Any], source: str, name: str) -> SymbolicProblem:
    refuse_unknown(tree, ["symbols", source, *KEYS.get(source, ("optimiser",))], f"beside {source}")
    if tree.get("outputs", 1) != 1:
        raise InputError(f"outputs = {tree['outputs']!r}: closed forms are derived for one output; leave it out, or ask `exponent`")
    symbols, known = declared(tree.get("symbols", {}))

    def read(value: Any, key: str) -> Any:
        return parse(value, symbols, key) if isinstance(value, str) else value

    if source == "matrices":
        if not isinstance(tree["matrices"], list):
            raise InputError(f"matrices = {tree['matrices']!r} is not a list of matrices")
        matrices = [_entries(a, f"matrices[{s}]", read) for s, a in enumerate(tree["matrices"])]
        return SymbolicProblem.from_matrices(matrices, _weights(tree, read), assume=known, name=name)
    options = _optimiser(tree, read)
    step_size = options.pop("step_size")
    if source == "population":
        return _population(tree["population"], read, step_size, options, known, name)
    build = SymbolicProblem.from_gram if source == "gram" else SymbolicProblem.from_features
    found = build(_entries(tree[source], source, read), step_size, assume=known, name=name, **options)
    if "labels" in tree and (not isinstance(tree["labels"], list) or len(tree["labels"]) != found.size):
        raise InputError(f"labels = {tree['labels']!r} is not a list of one label for each of the {found.size} rows")
    return found


def _entries(rows: Any, name: str, read: Read) -> Any:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise InputError(f"{name} = {rows!r} is not a list of rows; write for example [[\"1\", \"k\"], [\"k\", \"2\"]]")
    return [[read(x, f"{name}[{i}][{j}]") for j, x in enumerate(row)] for i, row in enumerate(rows)]


def _optimiser(tree: dict[str, Any], read: Read) -> dict[str, Any]:
    table = tree.get("optimiser")
    if not isinstance(table, dict):
        raise InputError("optimiser is missing or no table; write for example kind = \"sgd\" and step_size = \"eta\" in a table [optimiser]")
    refuse_unknown(table, list(_OPTIMISER), "of an optimiser", "optimiser.")
    if "step_size" not in table:
        raise InputError("optimiser.step_size is missing; write for example step_size = \"eta\"")
    if "weights" in tree and "weights" in table:
        raise InputError("weights and optimiser.weights are both given; keep one")
    options = {key: read(value, f"optimiser.{key}") for key, value in table.items() if key not in ("kind", "weights", "replacement")}
    options |= {key: table[key] for key in ("kind", "replacement") if key in table}
    weights = _weights(table if "weights" in table else tree, read)
    return options | ({} if weights is None else {"weights": weights})


def _weights(table: dict[str, Any], read: Read) -> list[Any] | None:
    if "weights" not in table:
        return None
    if not isinstance(table["weights"], list) or not table["weights"]:
        raise InputError(f"weights = {table['weights']!r} is not a nonempty list of positive numbers; write one weight for each sample")
    return [read(w, f"weights[{i}]") for i, w in enumerate(table["weights"])]


def _population(table: Any, read: Read, step_size: Any, options: dict[str, Any], known: Assumptions, name: str) -> SymbolicProblem:
    if not isinstance(table, dict):
        raise InputError(f"population = {table!r} is not a table; write law = \"gaussian\", dimension and scale in it")
    refuse_unknown(table, ["law", "dimension", "scale"], "of a population", "population.")
    if options.pop("kind", "sgd") != "sgd" or options.pop("batch", 1) != 1 or options:
        raise InputError("a population is sampled afresh at every step: use kind = \"sgd\" and batch = 1, no replacement, weights, momentum or weight_decay")
    for key in ("law", "dimension"):
        if key not in table:
            raise InputError(f"population.{key} is missing; write for example law = \"gaussian\", dimension = 2, scale = \"1\"")
    dimension, scale = read(table["dimension"], "population.dimension"), read(table.get("scale", 1), "population.scale")
    return SymbolicProblem.from_population(table["law"], dimension, scale, step_size, assume=known, name=name)
