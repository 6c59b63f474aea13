"""Citations: an accepted certificate as a lemma with proof (LaTeX), a Coq theorem, BibTeX entries, JSON or text.

>>> import verify
>>> problem = verify.Problem.from_gram([["1", "0"], ["0", "1"]], verify.SGD("1"))
>>> print(verify.cite(problem.lyapunov().certificate, "text").splitlines()[0])
accepted by the trusted checker
"""

from __future__ import annotations

import json
from typing import Any

from ..exact import InputError

FORMATS = ("latex", "coq", "bibtex", "json", "text")


def cite(certificate: Any, format: str = "latex", *, document: bool = False) -> str:
    """An accepted certificate (of `check.py` or `check_balls.py`) in a form that can be cited; it is checked first.

    latex: a lemma and its proof (`document`: with preamble and references, ready for pdflatex); the certificate in full where it is small enough to be
    checked with pencil and paper, else the conditions and the content hash of the file. coq: one file for coqc. bibtex: the paper, this software, the
    certificate. json, text: the claims, the hash, how to check. Raises `InputError` for a rejected certificate and an unknown format.
    """
    known(format, document)
    from . import latex
    from .bibliography import bibtex
    from .claims import accepted

    groups = accepted(certificate)
    if format == "coq":
        from ..certificate.coq import to_coq

        return str(to_coq(certificate))
    entries = latex.references(certificate, groups)
    if format == "bibtex":
        return bibtex(entries)
    if format == "latex":
        fragment = latex.lemma(certificate, groups)
        return latex.document(fragment, entries) if document else fragment
    return _json(certificate, groups, entries) if format == "json" else _text(certificate, groups)


def known(format: str, document: bool) -> None:
    """Raises `InputError` for an unknown format, or a document of another one than LaTeX."""
    if format not in FORMATS:
        raise InputError(f"format = {format!r} is not known; write one of {', '.join(FORMATS)}")
    if document and format != "latex":
        raise InputError(f"a document is made of LaTeX, not of {format}; leave it out or write the format latex")


def _json(certificate: Any, groups: Any, entries: Any) -> str:
    from ..certificate import check
    from ..report.certificate_text import ball_statements, recheck_json
    from . import latex
    from .bibliography import bibtex, software_version
    from .claims import is_balls
    from .proofs import hand_checkable

    statements = ball_statements(certificate) if is_balls(certificate) else check(certificate)
    found = recheck_json(certificate, statements, "")
    found |= {"software": {"name": "sgd-verify", "version": software_version()}, "latex": latex.lemma(certificate, groups), "bibtex": bibtex(entries)}
    found |= {"by_hand": hand_checkable(groups, certificate["version"])}
    return json.dumps(found, indent=2, allow_nan=False)


def _text(certificate: Any, groups: Any) -> str:
    from ..certificate import check
    from ..certificate.check import Subject
    from ..family import MatrixFamily
    from ..report.certificate_text import ball_statements, recheck_sections, small_sections
    from ..report.text import Section
    from .bibliography import AUTHORS, TITLE, literature, software_version
    from .claims import is_balls
    from .cones import by_hand

    balls = is_balls(certificate)
    sections = recheck_sections(certificate, ball_statements(certificate) if balls else check(certificate))
    line = groups[0].lines[0]
    if not balls and len(groups) == len(groups[0].lines) == 1 and not (subject := Subject(line.subject, certificate["version"])).ranged:
        family = subject.family(list(range(subject.n)))
        if line.proof["kind"] == "planar-forms" and by_hand(line, family):
            sections += small_sections(MatrixFamily(tuple(tuple(map(tuple, a)) for a in family.steps), tuple(family.p), family.d), line.relation, line.proof)
    paper = literature()["ChemnitzEngel2025"].fields
    tool = "verify/certificate/check_balls.py CERT.json (it needs python-flint)" if balls else "-I verify/certificate/check.py CERT.json"
    lines = (
        ("certificate", certificate["id"]),
        ("to check it", f"python {tool}"),
        (
            "the theory",
            f"{paper['author']}, {paper['title']}, {paper['journal']} {paper['volume']}({paper['number']}):{paper['pages']}, {paper['year']}".replace(
                "--", "-"
            ),
        ),
        ("this software", f"{AUTHORS}, {TITLE}, version {software_version()}"),
    )
    return "\n\n".join(section.text() for section in [*sections, Section("To cite", lines)])
