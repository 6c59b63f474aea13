"""The certificates that the package carries for the shipped instances of its statements, in the folder `certificates`.

`write_all()` writes them anew, after the engine has proved every sign again.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from verify.certificate import Certificate, Rejected, check, write_certificate

from .statement import Fact, Instance, Statement


def file_name(id: str) -> str:
    """The file for an id: an apostrophe becomes "-prime"."""
    return id.replace("'", "-prime") + ".json"


def shipped_certificate(statement: Statement) -> Certificate | None:
    """The conjunction of the signs of a statement's instances as it was shipped, unchecked; None where there is none."""
    path = files(__package__).joinpath("certificates", file_name(statement.id))
    if not path.is_file():
        return None
    content: Certificate = json.loads(path.read_text(encoding="utf-8"))
    return content


def proved(certificate: Certificate, instance: Instance) -> Fact:
    """Whether the trusted checker accepts the certificate and it proves every sign of the instance."""
    try:
        statements = check(certificate)
    except Rejected as refusal:
        return Fact(None, f"{instance.label}: the trusted checker refuses the shipped certificate: {refusal}")
    claims = certificate["claim"].get("all", [certificate["claim"]])
    subject = instance.problem.subject
    signs = {(one.quantity, one.sign) for one in statements if claims[one.subject]["subject"] == subject}
    missing = [f"{q} is {s}" for q, s in instance.signs if (q, s) not in signs]
    if missing:
        return Fact(None, f"{instance.label}: the shipped certificate does not prove that {', '.join(missing)}")
    return Fact(True, f"{instance.label}: {', '.join(f'{q} is {s}' for q, s in instance.signs)} (shipped certificate, accepted by the checker)", (certificate,))


def write_all(folder: Path = Path(__file__).parent / "certificates") -> list[str]:
    """Prove every instance with the engine and write the conjunctions; the ids written."""
    from .checking import certify_again
    from .registry import statements

    written = []
    for statement in statements():
        if statement.instances:
            found = certify_again(statement)
            if found.certificate is None:
                raise ValueError(f"{statement.id}: {found.reason}")
            write_certificate(dict(found.certificate), folder / file_name(statement.id))
            written.append(statement.id)
    return written
