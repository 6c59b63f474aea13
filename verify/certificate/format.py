"""Writing certificates: canonical JSON with a content id (FORMAT.md). The trusted reader is `check.py`, which shares nothing with this module."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

FORMAT, VERSION = "sgd-verify-certificate", 2
BALL_FORMAT, BALL_VERSION = "sgd-verify-ball-certificate", 1

Claim = dict[str, Any]
Proof = dict[str, Any]
Certificate = dict[str, Any]


def claim(subject: dict[str, Any], quantity: str, relation: str, value: Fraction) -> Claim:
    """The statement `quantity relation value` (quantity: "lambda", "mu" or "ms", in nats per step) about a subject."""
    return {"subject": subject, "quantity": quantity, "relation": relation, "value": str(value)}


def seal(statements: list[tuple[Claim, Proof]]) -> Certificate:
    """A certificate of one claim, or the conjunction of several; a subject that occurred before is written as the number of its claim."""
    if len(statements) == 1:
        content: dict[str, Any] = {"claim": statements[0][0], "proof": statements[0][1]}
    else:
        claims: list[Claim] = []
        for one, _ in statements:
            earlier = next((i for i, (other, _) in enumerate(statements[: len(claims)]) if other["subject"] == one["subject"]), None)
            claims.append(one if earlier is None else {**one, "subject": earlier})
        content = {"claim": {"all": claims}, "proof": {"kind": "conjunction", "parts": [proof for _, proof in statements]}}
    return _sealed(content | {"format": FORMAT, "version": VERSION})


def seal_balls(subject: dict[str, Any], lo: Fraction, hi: Fraction, parts: list[dict[str, Any]]) -> Certificate:
    """A ball certificate of lo <= lambda <= hi, which needs python-flint: for `check_balls.py`."""
    about = {"subject": subject, "quantity": "lambda", "lo": str(lo), "hi": str(hi)}
    return _sealed({"claim": about, "proof": {"parts": parts}, "format": BALL_FORMAT, "version": BALL_VERSION, "requires": "python-flint"})


def _sealed(content: dict[str, Any]) -> Certificate:
    return content | {"id": "sha256:" + hashlib.sha256(canonical(content).encode()).hexdigest()}


def canonical(content: Any) -> str:
    """Sorted keys, no blanks, ASCII: the text that the id is the hash of."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_certificate(certificate: Certificate, path: str | Path) -> None:
    """Write the certificate to `path`, whole or not at all."""
    write_text(path, canonical(certificate) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all: to a temporary name in the same folder, then renamed."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes it private; a result file follows the user's umask
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
