"""The command `cite`: a certificate (a file, or one of the shipped library by its id) or a registry entry in a form that can be cited."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from ..exact import InputError
from .output import destination


def cite(arguments: Namespace) -> int:
    """Print it, or write it whole."""
    out = destination(arguments.output, "--output", (arguments.what,)) if arguments.output is not None else None
    format = "json" if arguments.json else arguments.format
    text = _cited(arguments.what, format, arguments.document)
    if out is None:
        print(text)
        return 0
    from ..certificate.format import write_text

    write_text(out, text + "\n")
    return 0


def _cited(what: str, format: str, document: bool) -> str:
    from ..citation import cite, known

    known(format, document)
    if Path(what).is_file() or what.endswith(".json"):
        return cite(read_certificate(what), format, document=document)
    from theorems import UnknownId, citation

    if what.startswith("sha256:"):
        from theorems.library import by_id

        return cite(by_id(what), format, document=document)
    try:
        return citation.cite(what, format, document=document)
    except UnknownId as unknown:
        raise InputError(f"{what} is no file, and {unknown}") from None


def read_certificate(path: str) -> Any:
    """The content of a certificate file, not yet checked. Raises `InputError` where it cannot be read or is no JSON of the format."""
    from ..certificate.check import MAX_BYTES, Rejected, read

    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return read(content)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}; name a certificate file") from None
    except Rejected as reason:
        raise InputError(f"{path} is no certificate: {reason}") from None
