"""Network files (TOML or JSON) to a minimum and an optimiser. Strict, as problem files are: every key is known, numbers are exact, complaints say what to do.

    [model]      architecture ("mlp", "cnn", "transformer", "two-layer-linear", "diagonal-linear") and its own keys: width, activation, channels, hidden
    [data]       name ("digits", "digits-ten", "diabetes", "synthetic"), size; seed (0), init_seed (seed), outputs (1), labels ("teacher" or "data")
    [loss]       kind ("half_squared", "squared", "mean_squared") and reduction ("mean", "sum"): both required
    [optimiser]  as in problem files

With labels "teacher" the labels are the outputs at the point that was found, which is then a minimum up to rounding; with "data" they are the data's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..exact import InputError
from ..optimiser import Optimiser
from ..problem_file import optimiser_of, read_tree, refuse_unknown
from .architectures import Architecture
from .data import DATA, data_set
from .descent import checked_samples
from .levenberg_marquardt import interpolate, teacher
from .loss import Loss
from .minimum import NetworkMinimum, architecture_named
from .model import Network

SHIPPED = "networks"
Made = TypeVar("Made")
TABLES = {
    "model": ("architecture", "width", "activation", "channels", "hidden"),
    "data": ("name", "size", "seed", "init_seed", "outputs", "labels"),
    "loss": ("kind", "reduction"),
    "optimiser": (),
}
WHOLE = ("width", "channels", "hidden", "size", "seed", "init_seed", "outputs", "batch")
FOUND = 1e-12  # residual at which a search counts as successful


@dataclass(frozen=True)
class Specification:
    """What a network file says. `minimum()` finds the minimum that it describes."""

    name: str
    architecture: Architecture
    data: str
    size: int
    seed: int
    init_seed: int
    outputs: int
    labels: str
    loss: Loss
    optimiser: Optimiser

    def minimum(self) -> NetworkMinimum:
        """Levenberg-Marquardt from a random start. Raises `InputError` where no interpolating minimum is found, or the data have fewer samples."""
        try:
            return self._found()
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def _found(self) -> NetworkMinimum:
        try:
            inputs, targets = data_set(self.data, self.size, self.seed)
        except ImportError:
            raise InputError('data sets need scikit-learn; install it with: pip install "sgd-verify[network]"') from None
        except InputError as error:
            raise InputError(f"[data] {error}") from None
        rng = np.random.default_rng([self.init_seed, 101])
        targets = np.hstack([targets, rng.standard_normal((self.size, max(0, self.outputs - targets.shape[1])))])
        network = Network(self.architecture.function, self.architecture.initialise(rng, inputs.shape[1:], targets.shape[1]), inputs)
        fit = interpolate(network, targets)
        if not fit.residual <= FOUND * max(1.0, float(np.abs(targets).max())):
            raise InputError(f"no interpolating minimum was found, the residual stays at {fit.residual:.2g}; use fewer samples, a wider model or another seed")
        return NetworkMinimum(network, fit.w, teacher(network, fit.w) if self.labels == "teacher" else targets, self.loss)


def load_specification(path: str | Path) -> Specification:
    """The network in a TOML or JSON file, or a shipped example such as "example:mlp-digits". Raises `InputError` (file, key, value, what to do)."""
    try:
        tree, _, name = read_tree(path, SHIPPED, what="network file", whole=WHOLE)
        return _built(tree, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _built(tree: dict[str, Any], name: str) -> Specification:
    refuse_unknown(tree, list(TABLES), "in a network file")
    tables = {key: tree.get(key) for key in TABLES}
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{key} is missing or no table; a network file has the tables {', '.join(f'[{k}]' for k in TABLES)}")
        if key != "optimiser":
            refuse_unknown(table, list(TABLES[key]), f"in [{key}]", f"{key}.")
    model, data, loss = (dict(tables[key] or {}) for key in ("model", "data", "loss"))
    for table, key, example in ((model, "model.architecture", "mlp"), (data, "data.name", "digits"), (loss, "loss.kind", "half_squared"),
                                (loss, "loss.reduction", "mean")):  # fmt: skip
        value = table.get(key.partition(".")[2])
        if not isinstance(value, str):
            raise InputError(f"{key} = {value!r} is missing or no text; write for example {key.partition('.')[2]} = \"{example}\"")
    labels = data.get("labels", "teacher")
    if labels not in ("teacher", "data"):
        raise InputError(f"data.labels = {labels!r} is not known; write \"teacher\" (the outputs at the minimum) or \"data\"")
    if data["name"] not in DATA:
        raise InputError(f"data.name = {data['name']!r} is not known; write one of {', '.join(DATA)}")
    options = {key: _option(key, value) for key, value in model.items() if key != "architecture"}
    seed = _count(data, "seed", 0, 0)
    size, optimiser = _count(data, "size", None, 1), optimiser_of({"optimiser": tables["optimiser"]})
    return Specification(
        name, _in("model", architecture_named, model["architecture"], **options), data["name"], size, seed, _count(data, "init_seed", seed, 0),
        _count(data, "outputs", 1, 1), labels, _in("loss", Loss, loss["kind"], loss["reduction"]), _in("optimiser", checked_samples, optimiser, size),
    )  # fmt: skip


def _in(table: str, made: Callable[..., Made], *arguments: Any, **options: Any) -> Made:
    """What `made` makes; its complaints name the table too."""
    try:
        return made(*arguments, **options)
    except InputError as error:
        raise InputError(f"[{table}] {error}") from None


def _option(key: str, value: Any) -> Any:
    if key == "activation":
        return value
    if key == "channels":
        if not isinstance(value, list) or len(value) != 2:
            raise InputError(f"model.channels = {value!r} is not a list of two positive integers; write for example [4, 8]")
        return tuple(_positive("model.channels", x, 1) for x in value)
    return _positive(f"model.{key}", value, 1)


def _count(table: dict[str, Any], key: str, default: int | None, least: int) -> int:
    if key not in table and default is None:
        raise InputError(f"data.{key} is missing; write for example {key} = 8")
    return _positive(f"data.{key}", table.get(key, default), least)


def _positive(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 10**6:
        raise InputError(f"{name} = {value!r} is not an integer from {least} to 999999")
    return value
