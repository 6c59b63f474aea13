"""Where results go: files that are checked before the work and written whole, and progress that only a terminal sees."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..exact import InputError
from ..problem_file import EXAMPLE


def destination(path: str, option: str, inputs: tuple[str, ...] = ()) -> Path:
    """The file that `option` names, once it is certain that it can be written; symbolic links are followed."""
    where = f"{option} {path}"
    try:
        target = Path(path).resolve()
        if not path or target.is_dir():
            raise InputError(f"{where} is a directory; name a file" if path else f"{option} is empty; name a file")
        if target.exists() and not target.is_file():
            raise InputError(f"{where} is not a regular file; name another one")
        if any(not one.startswith(EXAMPLE) and Path(one).resolve() == target for one in inputs):
            raise InputError(f"{where} is the input itself and would be overwritten; name another file")
        with tempfile.TemporaryFile(dir=target.parent):
            return target
    except FileNotFoundError:
        raise InputError(f"{where} cannot be written: the folder does not exist; create it first") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{where} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def beside(path: str, part: str) -> str:
    """`part` put before the ending of a file name: cert.json and "mu" give cert.mu.json."""
    name = Path(path)
    return str(name.with_name(f"{name.stem}.{part}{name.suffix}")) if name.name else path


def print_json(content: Any) -> None:
    """Print JSON to standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))


def written(exponent: Any, target: Path, shown: str) -> str | None:
    """Write the certificate of a result, if it has one; then its path as the user wrote it."""
    from ..certificate import write_certificate
    from ..report.text import has_certificate

    if not has_certificate(exponent):
        return None
    write_certificate(exponent.certificate, target)
    return shown


def written_balls(exponent: Any, target: Path | None, shown: str) -> str | None:
    """The same for the ball certificate of a result, where one was asked for and made."""
    from ..certificate import write_certificate

    if target is None or getattr(exponent, "ball_certificate", None) is None:
        return None
    write_certificate(exponent.ball_certificate, target)
    return shown


@contextmanager
def progress() -> Iterator[Callable[[str], None] | None]:
    """A function that shows one line of progress on a terminal, or None where standard error is not one."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(escape(text))
