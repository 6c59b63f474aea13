"""The command `recheck`: the trusted checker's word on one certificate, or on every one of the shipped library; with --coq also that of coqc."""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from .output import print_json, progress

if TYPE_CHECKING:
    from ..certificate import Statement

ACCEPTED, REJECTED, NOT_COVERED = "accepted", "rejected", "not covered"


def recheck(arguments: Namespace) -> int:
    """Exit code 0 iff everything that was to be checked is accepted."""
    if arguments.all == (arguments.certificate is not None):
        raise InputError("recheck needs a certificate file, or --all for the shipped library, and not both")
    if arguments.coq and shutil.which("coqc") is None:
        raise InputError("--coq needs coqc, which is not installed; install Coq, on Debian and Ubuntu: apt-get install coq")
    run = _library if arguments.all else _one
    if not arguments.coq:
        return run(arguments, None)
    from ..certificate.coq import compile_library

    with tempfile.TemporaryDirectory() as folder, progress() as say:
        if say:
            say("compiling the Coq library")
        compiled = compile_library(Path(folder) / "library")
        return run(arguments, compiled)


def _one(arguments: Namespace, library: Path | None) -> int:
    from ..report.certificate_text import recheck_json, recheck_sections

    certificate, statements, reason = _checked(Path(arguments.certificate), arguments.certificate)
    coq, coq_reason = _coq(certificate, library) if library is not None and not reason else ("", "")
    if arguments.json:
        print_json(recheck_json(certificate, statements, reason) | ({"coq": coq or None, "coq_reason": coq_reason or None} if arguments.coq else {}))
    elif reason:
        print(f"rejected: {_line(reason)}")
    else:
        from ..report.text import print_sections

        print_sections(recheck_sections(certificate, statements), sys.stdout)
        if coq:
            print(f"\ncoqc: {coq}" + (f" ({coq_reason})" if coq_reason else ""))
    return 0 if not reason and coq in ("", ACCEPTED) else 1


def _library(arguments: Namespace, library: Path | None) -> int:
    from theorems.library import FOLDER, files

    rows: list[dict[str, Any]] = []
    with progress() as say:
        for path in files():
            rows.append(_row(path, path.relative_to(FOLDER).as_posix(), library, say))
    accepted = [row for row in rows if row["accepted"]]
    coq = Counter(row["coq"] for row in rows)
    fine = bool(rows) and len(accepted) == len(rows)
    if arguments.coq:
        fine = fine and coq[ACCEPTED] > 0 and not coq[REJECTED]
    if arguments.json:
        print_json({"certificates": rows, "accepted": len(accepted), "rejected": len(rows) - len(accepted)} | _counts(coq, arguments.coq))
        return 0 if fine else 1
    for row in rows:
        word = ACCEPTED if row["accepted"] else f"rejected: {row['reason']}"
        print(
            f"{row['file']}: {word}"
            + (f", {row['statements']} statements, {row['checker']}" if row["accepted"] else "")
            + (f", coqc: {row['coq']}" if row["coq"] else "")
        )
    print(f"{len(accepted)} of {len(rows)} certificates accepted")
    if arguments.coq:
        left = [f"{row['file']} ({row['coq_reason']})" for row in rows if row["coq"] == NOT_COVERED]
        print(
            f"coqc: {coq[ACCEPTED]} accepted, {coq[REJECTED]} rejected, {len(left)} not covered by the Coq library" + (f": {', '.join(left)}" if left else "")
        )
    return 0 if fine else 1


def _counts(coq: Counter[Any], asked: bool) -> dict[str, int]:
    return {f"coq_{word.replace(' ', '_')}": coq[word] for word in (ACCEPTED, REJECTED, NOT_COVERED)} if asked else {}


def _row(path: Path, name: str, library: Path | None, say: Callable[[str], None] | None) -> dict[str, Any]:
    from ..citation.claims import is_balls

    if say:
        say(name)
    certificate, statements, reason = _checked(path, name)
    coq, coq_reason = _coq(certificate, library) if library is not None and not reason else (None, "")
    checker = "ball checker" if is_balls(certificate) else "trusted checker"
    found = {"file": name, "id": None if reason else certificate["id"], "accepted": not reason, "reason": _line(reason) or None, "checker": checker}
    return found | {"statements": len(statements), "coq": coq, "coq_reason": coq_reason or None}


def _checked(path: Path, shown: str) -> tuple[Any, list[Statement], str]:
    """(certificate, what it proves, why it is rejected); raises `InputError` for a file that cannot be read, and where python-flint is missing."""
    from ..certificate.check import MAX_BYTES, Rejected, check, read
    from ..report.certificate_text import ball_statements, is_ball_certificate

    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise InputError(f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}; name a certificate file") from None
    certificate: Any = None
    try:
        certificate = read(content)
        return certificate, ball_statements(certificate) if is_ball_certificate(certificate) else check(certificate), ""
    except ImportError:
        raise InputError(f"{shown} is a ball certificate, whose checker needs python-flint; install it: pip install python-flint") from None
    except (Rejected, RecursionError) as refusal:
        return certificate, [], f"{refusal}" or "nested too deeply"


def _coq(certificate: Any, library: Path) -> tuple[str, str]:
    """coqc's word on the Coq export of an accepted certificate; `library` is the compiled Coq library."""
    from ..certificate.coq import check_with_coqc, to_coq
    from ..citation.claims import is_balls

    if is_balls(certificate):
        return NOT_COVERED, "ball arithmetic"
    try:
        to_coq(certificate)
    except InputError as reason:
        return NOT_COVERED, _line(str(reason)).partition(";")[0].removeprefix("the Coq library does not cover ")
    fine, text = check_with_coqc(certificate, library)
    return (ACCEPTED, "") if fine else (REJECTED, _line(text))


def _line(text: str) -> str:
    return " ".join(text.split())
