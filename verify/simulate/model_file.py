"""Problem files of nonlinear models: `model` names a shipped constructor, numbers are exact, and points may use log, exp, sqrt.

    model = "tanh"                            # or "two-layer-linear", "product"
    hidden = 2                                # 1 to 3 (not for "product")
    inputs = [["1"], ["2"]]                   # y_1 .. y_N; for "product" one number
    point = ["2", "1", "log(2)", "2*log(2)"]  # x*: a_1 .. a_h, then b_1, .., b_h

    [optimiser]                               # as in every problem file
    [ladder]                                  # optional: radii, starts, steps, near
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..exact import InputError
from ..optimiser import Optimiser
from ..problem_file import optimiser_of, read_tree, refuse_unknown
from .model import SymbolicModel, product_model, tanh_network, two_layer_linear

KINDS = ("tanh", "two-layer-linear", "product")
LADDER_KEYS = ("radii", "starts", "steps", "near")


def load_model(path: str | Path) -> tuple[SymbolicModel, Optimiser, dict[str, Any]] | None:
    """(model, optimiser, options of `radius_ladder`) of a file with the key `model`; None for other problem files. Raises `InputError`."""
    try:
        tree, _, name = read_tree(path)
        if "model" not in tree:
            return None
        return _built(tree, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _built(tree: dict[str, Any], name: str) -> tuple[SymbolicModel, Optimiser, dict[str, Any]]:
    kind = tree["model"]
    if kind not in KINDS:
        raise InputError(f"model = {kind!r} is not known; write one of {', '.join(KINDS)}")
    keys = ["model", "inputs", "point", "optimiser", "ladder", *([] if kind == "product" else ["hidden"])]
    refuse_unknown(tree, keys, f"of a {kind} model")
    for key, example in (("inputs", '[["1"], ["2"]]'), ("point", '["2", "1/3"]')):
        if not isinstance(tree.get(key), list) or not tree[key]:
            raise InputError(f"{key} is missing or not a nonempty list; write for example {key} = {example}")
    point = tuple(_number(x, f"point[{i}]") for i, x in enumerate(tree["point"]))
    rows = [row if isinstance(row, list) else [row] for row in tree["inputs"]]
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        raise InputError("inputs has rows of different lengths, or empty ones; every y_i needs the same number of entries")
    data = tuple(tuple(_number(x, f"inputs[{i}][{j}]") for j, x in enumerate(row)) for i, row in enumerate(rows))
    options = tree.get("ladder", {})
    if not isinstance(options, dict):
        raise InputError(f"ladder = {options!r} is not a table; write for example radii = [\"1/10\", \"1/100\"] in [ladder]")
    refuse_unknown(options, list(LADDER_KEYS), "of a ladder", "ladder.")
    if kind == "product":
        if len(data) != 1 or len(data[0]) != 1:
            raise InputError("inputs of a product model is one number, such as inputs = [\"1\"]: all its gradients are parallel")
        return product_model(point, data[0][0], name), optimiser_of(tree), options
    build = tanh_network if kind == "tanh" else two_layer_linear
    return build(tree.get("hidden", 1), point, data, name), optimiser_of(tree), options


def _number(value: Any, name: str) -> Any:
    """An integer or text such as "1/3" or "2*log(2)"."""
    from ..symbolic.expressions import parse

    if isinstance(value, str):
        return parse(value, {}, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(f"{name} = {value!r} is not an exact number; write it in quotes")
