"""A folder of files written whole or not at all: made beside its place, then renamed. It replaces nothing but an empty folder or a former site of its own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...exact import InputError

MANIFEST = "sgd-verify-site.json"  # lists the files of a site, so that a later one knows what it may replace


def site_folder(path: str, option: str) -> Path:
    """The folder that `option` names, once it is certain that a site may be written there. Raises `InputError`."""
    where = f"{option} {path}"
    if not path:
        raise InputError(f"{option} is empty; name a folder")
    try:
        target = Path(path).resolve()
        if target.exists() and not target.is_dir():
            raise InputError(f"{where} is a file; name a folder, new or empty")
        if target == Path.cwd() or target in Path.cwd().parents:
            raise InputError(f"{where} is the current folder or above it, and would be replaced; name another folder")
        if not target.parent.is_dir():
            raise InputError(f"{where} cannot be written: the folder that it is in does not exist; create it first")
        if foreign := _foreign(target):
            raise InputError(f"{where} has files that are no part of a site, such as {foreign}; name a new or empty folder")
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{where} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _foreign(target: Path) -> str:
    """A file in the folder that no former site has listed, or nothing."""
    present = sorted(str(p.relative_to(target)) for p in target.rglob("*") if not p.is_dir() or p.is_symlink()) if target.is_dir() else []
    if not present:
        return ""
    try:
        listed = set(json.loads((target / MANIFEST).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return present[0]
    return next((name for name in present if name not in listed), "")


def write_folder(target: Path, content: Mapping[str, str]) -> None:
    """Write all files and the manifest; `target` is as `site_folder` returned it."""
    everything = dict(content) | {MANIFEST: json.dumps({"files": sorted([*content, MANIFEST])}, indent=1) + "\n"}
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for name, text in everything.items():
            (fresh / name).parent.mkdir(exist_ok=True)
            (fresh / name).write_text(text, encoding="utf-8")
        umask = os.umask(0)
        os.umask(umask)
        fresh.chmod(0o777 & ~umask)  # mkdtemp makes it private
        former = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.")) if target.exists() else None
        if former is not None:
            os.replace(target, former)
        try:
            os.replace(fresh, target)
        except BaseException:
            if former is not None:
                os.replace(former, target)
            raise
        if former is not None:
            shutil.rmtree(former, ignore_errors=True)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
