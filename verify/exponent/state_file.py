"""The state of a Monte Carlo run in a file: written whole, read only if its content is intact and it belongs to the same run.

One line of JSON (format, version, `key` of the run, `goal`, the layout, SHA-256 of what follows), then the arrays of the `Snapshot`s as an uncompressed .npz.
Size: the vectors of all chains (16 chains of N = 20,000: 2.6 MB) and at most 128 numbers for each chain.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..certificate.format import write_bytes
from ..exact import InputError
from .chains import Snapshot

FORMAT, VERSION = "sgd-verify-monte-carlo", 1


def run_key(parts: Iterable[Any]) -> str:
    """A hash of everything that a run depends on: arrays by their bytes, shape and type, everything else by its text."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data.cast("B"))
        else:
            digest.update(f"|{part!r}|".encode())
    return digest.hexdigest()


def save(path: str | Path, key: str, goal: int, snapshots: Sequence[Snapshot]) -> None:
    """Write the snapshots to `path`, whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {}
    layout = []
    for k, one in enumerate(snapshots):
        groups = {"arrays": one.arrays, "pieces": one.pieces, "shapes": one.shapes}
        layout.append({"length": one.length, **{name: len(group) for name, group in groups.items()}})
        arrays |= {f"{k}.{name}.{j}": array for name, group in groups.items() for j, array in enumerate(group)}
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    content = stream.getvalue()
    header = {"format": FORMAT, "version": VERSION, "key": key, "goal": goal, "parts": layout, "sha256": hashlib.sha256(content).hexdigest()}
    write_bytes(path, json.dumps(header, sort_keys=True).encode() + b"\n" + content)


def load(path: str | Path, key: str) -> tuple[int, list[Snapshot]] | None:
    """(goal, snapshots) from `path`; None if there is no such file. Raises `InputError` for a damaged file and for one of another run."""
    try:
        head, _, content = Path(path).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"resume = {path} cannot be read: {error.strerror or error}; name a file") from None
    try:
        header = json.loads(head)
        known = isinstance(header, dict) and header["format"] == FORMAT
        intact = known and header["sha256"] == hashlib.sha256(content).hexdigest()
    except (ValueError, KeyError):
        known = intact = False
    if not known:
        raise InputError(f"resume = {path} is not the state of a Monte Carlo run; name another file, which is then written")
    if not intact:
        raise InputError(f"resume = {path} is damaged: its content does not have the hash that it states; delete it to start again")
    if header["version"] != VERSION or header["key"] != key:
        raise InputError(f"resume = {path} belongs to another run (K, step size, optimiser, seed or precision differ); name another file or delete it")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:

        def group(k: int, name: str, count: int) -> tuple[NDArray[Any], ...]:
            return tuple(arrays[f"{k}.{name}.{j}"] for j in range(count))

        snapshots = [
            Snapshot(group(k, "arrays", part["arrays"]), group(k, "pieces", part["pieces"]), group(k, "shapes", part["shapes"]), int(part["length"]))
            for k, part in enumerate(header["parts"])
        ]
    return int(header["goal"]), snapshots
