"""A certificate as a lemma with its proof, a fragment to be pasted, or a document that compiles as it stands (amsmath, amssymb, amsthm)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..certificate.check import Subject
from .bibliography import SOFTWARE, Entry, certificate_entry, certificate_key, items, literature, software
from .claims import Group, is_balls, joined
from .notation import fits, typewriter
from .proofs import hand_checkable, proved
from .statement import claimed, consequence, stated, where

PREAMBLE = r"""\documentclass{article}
\usepackage[margin=1in]{geometry}
\usepackage{amsmath,amssymb,amsthm}
\newtheorem{lemma}{Lemma}
\newtheorem{statement}{Statement}
\allowdisplaybreaks
\emergencystretch=3em
"""
NEEDS = r"% needs \usepackage{amsmath,amssymb,amsthm} and \newtheorem{lemma}{Lemma}; the references are in the output of --format bibtex"


def lemma(certificate: Any, groups: Sequence[Group]) -> str:
    """The fragment: lemma, proof, and what Theorem A or B of [CE25] adds."""
    key = certificate_key(certificate)
    label = key.rpartition("-")[2]
    file, version = rf"the certificate \cite{{{key}}}", 2 if is_balls(certificate) else certificate["version"]
    statements = [stated(group, file) for group in groups]
    body = statements[0] if len(groups) == 1 else "\\begin{enumerate}\n" + "\n".join(rf"\item {text}" for text in statements) + "\n\\end{enumerate}"
    full = hand_checkable(groups, version)
    checker = "the ball checker" if is_balls(certificate) else "a checker that uses rational arithmetic and Python's standard library only"
    kept = "This proof is complete as it stands; a machine-readable form" if full else "The certificate"
    name = typewriter(certificate["id"])
    closing = rf"{kept}, {name} \cite{{{key}}}, has been accepted by {checker} \cite{{{SOFTWARE}}}."
    remarks = list(dict.fromkeys(filter(None, (consequence(group, Subject(group.subject, version)) for group in groups))))
    lines = [
        f"% sgd-verify certificate {certificate['id']}",
        NEEDS,
        rf"\begin{{lemma}}\label{{lem:{label}}}",
        body,
        r"\end{lemma}",
        r"\begin{proof}",
        f"{proved(groups, version, file)}\n\n{closing}",
        r"\end{proof}",
        *(f"\n\\noindent {text}" for text in remarks if len(groups) == 1),
    ]
    return "\n".join(_tidy(line) for line in lines)


def _tidy(text: str) -> str:
    """No blank before a display, no blank line inside one."""
    return re.sub(r" *\\\[ ", "\n\\\\[ ", text).replace(r" \] ", " \\]\n")


def title(groups: Sequence[Group]) -> str:
    """The claims in one line, for the bibliography."""
    parts = [claimed(lines) + (f" {where(ends, at)}" if ends or at else "") + _about(group) for group in groups for ends, at, lines in joined(group.lines)]
    return "; ".join(parts) if len(parts) <= 3 else f"{parts[0]}, and {len(parts) - 1} other claims, hold"


def _about(group: Group) -> str:
    """The Gram matrix, if it is small."""
    rows = group.subject.get("gram", [])
    if not 0 < len(rows) <= 3 or not fits(rows):
        return ""
    entries = r" \\ ".join(" & ".join(row) for row in rows)
    box = f" and all positive definite matrices within {group.subject['radius']} of it" if "radius" in group.subject else ""
    return rf" for $K=\bigl(\begin{{smallmatrix}}{entries}\end{{smallmatrix}}\bigr)${box}"


def references(certificate: Any, groups: Sequence[Group]) -> list[Entry]:
    """What the fragment cites."""
    paper = [literature()["ChemnitzEngel2025"]]
    return [*paper, software(), certificate_entry(certificate, title(groups))]


def document(fragment: str, entries: Sequence[Entry]) -> str:
    """The fragment with a preamble and the references that it cites."""
    cited = {key for group in re.findall(r"\\cite(?:\[[^\]]*\])?\{([^}]*)\}", fragment) for key in group.split(",")}
    own = [entry for entry in entries if entry.key in cited]
    return f"{PREAMBLE}\\begin{{document}}\n{fragment}\n\n{items(own)}\n\\end{{document}}"
