"""Finished rows on disk: JSON Lines, appended and flushed one by one, so that a sweep that was stopped goes on where it was. A torn last line is dropped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..certificate.format import write_text
from ..exact import InputError

HEADER = {"format": "sgd-verify-sweep-rows", "version": 1}


class Rows:
    """`known` maps the keys of finished tasks to their results (JSON values); `add` writes one more. Without a path nothing is kept on disk."""

    def __init__(self, path: Path | None) -> None:
        """Raises `InputError` for a file that is something else."""
        self.path, self.known = path, dict[str, Any]()
        if path is None:
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        if lines and _parsed(lines[0]) != HEADER:
            raise InputError(f"--resume {path} does not hold the rows of a sweep; name another file, which is then written")
        for line in lines[1:]:
            entry = _parsed(line)
            if isinstance(entry, dict) and set(entry) == {"key", "row"}:
                self.known[entry["key"]] = entry["row"]
        write_text(path, "".join(json.dumps(line) + "\n" for line in (HEADER, *({"key": key, "row": row} for key, row in self.known.items()))))

    def add(self, key: str, row: Any) -> None:
        """Keep a result; on return it is on disk."""
        self.known[key] = row
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "row": row}) + "\n")
                file.flush()
                os.fsync(file.fileno())


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
