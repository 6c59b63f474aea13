"""The command `find`: the smallest problem, as far as a search sees, on which a predicate holds, with its certificate."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from ..exact import InputError
from .output import destination, print_json, progress


def find(arguments: Namespace) -> int:
    """Search, write the certificate, and print what was found; exit code 0 found, 1 not found."""
    out = destination(arguments.certificate, "--certificate") if arguments.certificate is not None else None
    from ..search.engine import find as search
    from ..search.result import NotFound
    from ..search.space import MAX_POINTS

    if arguments.points > MAX_POINTS:
        raise InputError(f"--points {arguments.points} is above {MAX_POINTS}, which is what is searched")
    with progress() as say:
        found = search(arguments.predicate, arguments.points, regular=arguments.regular, seconds=arguments.seconds, seed=arguments.seed, progress=say)
    if isinstance(found, NotFound):
        if arguments.json:
            print_json({"found": None, "effort": found.effort.to_json(), "reason": found.reason})
        else:
            print(f"{found}")
        return 1
    from ..certificate import check, write_certificate

    certificate = found.certificate
    path = None
    if out is not None and certificate is not None:
        write_certificate(certificate, out)
        path = arguments.certificate
    statements = check(certificate) if certificate is not None else []
    if arguments.json:
        print_json({"found": _found(found, path, statements), "effort": found.effort.to_json(), "reason": found.judged.reason})
    else:
        _print(found, arguments, path, statements)
    return 0


def _found(found: Any, path: str | None, statements: list[Any]) -> dict[str, Any]:
    from ..problem import spelled
    from ..regularity import is_regular

    minimum, optimiser = found.case.exact
    return {
        "gram": spelled(minimum.gram),
        "step_size": str(optimiser.step_size),
        "regular": is_regular(found.case),
        "reason": found.judged.reason,
        "certificate": path,
        "id": found.certificate["id"] if found.certificate is not None else None,
        "statements": [
            {"subject": s.subject, "quantity": s.quantity, "relation": s.relation, "value": str(s.value), "sign": s.sign} for s in statements
        ],
    }


def _print(found: Any, arguments: Namespace, path: str | None, statements: list[Any]) -> None:
    from ..report.text import Section, print_sections

    shown = _found(found, path, statements)
    about = [
        ("K", "[" + ", ".join("[" + ", ".join(row) + "]" for row in shown["gram"]) + "]"),
        ("step size", shown["step_size"]),
        ("c", ", ".join(str(found.case.exact[1].step_size * k) for k in found.case.exact[0].diagonal)),
        ("regular (R1, R2)", "yes" if shown["regular"] else "no"),
    ]
    proved = [(s.quantity, f"{s.relation} {s.value}") for s in statements]
    print_sections([Section("Found", tuple(about)), *([Section("Proved", tuple(proved))] if proved else [])], sys.stdout)
    print(f"\nbecause {found.judged.reason}\n{found.effort}")
    if arguments.certificate is not None:
        print(f"certificate: {path or 'none, rational arithmetic decides alone'}")
