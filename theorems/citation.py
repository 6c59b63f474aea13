"""Registry entries in a form that can be cited: statement, hypotheses, references, and the certificates that go with it."""

from __future__ import annotations

import json
import re
from typing import Any

from verify.citation import cite as cite_certificate
from verify.citation import known, latex
from verify.citation.bibliography import Entry, bibtex, literature, software, software_version
from verify.citation.claims import accepted
from verify.citation.notation import escaped, words
from verify.exact import InputError

from .registry import resolve
from .statement import Statement

NEEDS = r"% needs \usepackage{amsmath,amssymb,amsthm}, \newtheorem{statement}{Statement} and \newtheorem{lemma}{Lemma}"
GRADES = {
    "definition": "A definition",
    "published proof": "A published theorem; see the references",
    "proved here": "The proof is in the references",
    "machine-checked": "Proved by the certificates below",
    "extension of a published proof, not proved": "An extension of a published theorem that has not been proved",
    "tested": "Not proved; tested on examples",
    "conjectured": "Not proved; conjectured",
    "refuted": r"\textbf{False}: refuted by the certificates below",
}
# What the names of hypotheses and the symbols of formulas mean (THEORY.md, Section 1), for a reader who has only the citation.
MEANINGS = {
    "H1 smoothness": r"H1: the model $w\mapsto F(w,y_i)$ is twice continuously differentiable for every sample $i$",
    "H2 rank": r"H2: the sample gradients $g_1,\dots,g_N$ are linearly independent at every global minimum",
    "H3 non-singular steps": r"H3: the Jacobian determinant of the step (for SGD, of the step of every sample) is nonzero Lebesgue-almost everywhere",
    "R1 c_i not in {1, 2}": r"R1: $c_i=\eta K_{ii}\notin\{1,2\}$ for every $i$",
    "R2 connected graph": r"R2: the graph on the samples with an edge where $K_{ij}\ne0$ is connected",
}
SYMBOLS = {
    r"\lambda": r"$\lambda=\lim_n\frac1n\mathbb E\log\|A_{\xi_n}\cdots A_{\xi_1}\|$ is the top Lyapunov exponent of the linearised steps of SGD at $w^*$, "
    r"$A_i=I-\eta g_ig_i^{\mathsf T}$ for single samples, on the span of the sample gradients $g_i$",
    r"\mu": r"$\mu=\max\{\log|1-\eta\kappa/N|:\kappa\ne0\text{ an eigenvalue of }K\}$ is the exponent of gradient descent",
    "X": r"$X_{\lim}$ is the limit of the iteration from a random start with a positive density, where it exists and is a global minimum",
    "M": r"$M$ is the set of the global minima, $L=0$",
}


def cite(statement: str | Statement, format: str = "latex", *, document: bool = False) -> str:
    """A statement of the registry (or its id) in one of the formats of `verify.cite`, with the lemmas of its certificates in LaTeX.

    coq: the Coq text of its first certificate; `InputError` where it has none.
    """
    from .library import about_statement

    known(format, document)
    found = resolve(statement)
    certificates = about_statement(found.id)
    if format == "coq":
        if not certificates:
            raise InputError(f"{found.id} has no certificate that Coq could check; cite it as latex, bibtex, json or text")
        return cite_certificate(certificates[0], "coq")
    if format == "json":
        return json.dumps(found.to_json() | {"bibtex": bibtex(references(found)), "certificates": [c["id"] for c in certificates]}, indent=2)
    if format == "text":
        return _text(found, certificates)
    # The first certificate is the one made for the statement, or the conjunction for its instances: one lemma is enough.
    shown = [(c, accepted(c)) for c in certificates[:1]]
    entries = references(found)
    for certificate, groups in shown:
        entries += [entry for entry in latex.references(certificate, groups) if entry not in entries]
    if format == "bibtex":
        return bibtex(entries)
    fragment = "\n\n".join([_latex(found, bool(shown)), *(latex.lemma(c, groups) for c, groups in shown)])
    return latex.document(fragment, entries) if document else fragment


def references(statement: Statement) -> list[Entry]:
    """The literature that a statement refers to, and this software for what is proved in THEORY.md."""
    found = [entry for r in statement.references if (entry := _entry(r)) is not None]
    return [*found, software()]


def _entry(reference: str) -> Entry | None:
    """The entry of the bibliography whose title the reference names (the longest one, as a title may contain another); None for THEORY.md."""
    named = [entry for entry in literature().values() if entry.plain_title in reference.replace("Schroedinger", "Schrodinger").casefold()]
    return max(named, key=lambda entry: len(entry.plain_title), default=None)


def _keys(statement: Statement) -> str:
    """The references as citations, with the place in THEORY.md."""
    out = []
    for r in statement.references:
        entry = _entry(r)
        if entry is not None:
            lemma = re.search(r"(Lemma [\d.]+)$", r)
            out.append(rf"\cite{'[' + lemma[1].replace(' ', '~') + ']' if lemma else ''}{{{entry.key}}}")
        else:
            out.append(rf"\cite[{words(r)}]{{sgd-verify}}")
    return ", ".join(dict.fromkeys(out))


def _latex(statement: Statement, certified: bool) -> str:
    lines = [
        f"% sgd-verify registry, {statement.id}",
        NEEDS,
        rf"\begin{{statement}}[{escaped(statement.id)}, "
        rf"{words(statement.title)}]\label{{st:{statement.id}}}",
    ]
    lines += [words(statement.plain), rf"\[ {statement.latex} \]", r"\end{statement}"]
    if statement.hypotheses and not statement.fixed:
        names = [MEANINGS.get(h.name) or words(h.name) for h in statement.hypotheses]
        lines += [r"\noindent Hypotheses:", r"\begin{itemize}", ";\n".join(rf"\item {name}" for name in names) + ".", r"\end{itemize}"]
    shown = [f"{words(v.name)} in {words(v.domain)}: {words(v.meaning)}" for v in statement.variables]
    shown += [meaning for symbol, meaning in SYMBOLS.items() if re.search(rf"(?<![\\A-Za-z]){re.escape(symbol)}(?![A-Za-z])", statement.latex)]
    lines += [rf"\noindent Here {'; '.join(shown)}."] if shown else []
    grade = GRADES[statement.evidence].replace(" by the certificates below", "" if not certified else " by the certificate below")
    lines.append(rf"\noindent {grade}. {words(statement.remark)} References: {_keys(statement)}.".replace("  ", " "))
    return "\n".join(lines)


def _text(statement: Statement, certificates: list[Any]) -> str:
    from verify.report.text import Section

    lines = [("statement", statement.plain), ("formula", statement.latex), ("evidence", statement.evidence)]
    lines += [("hypothesis", h.name) for h in statement.hypotheses] + ([("remark", statement.remark)] if statement.remark else [])
    lines += [("reference", r) for r in statement.references] + [("certificate", c["id"]) for c in certificates]
    lines.append(("this software", f"sgd-verify {software_version()}, registry entry {statement.id}"))
    return Section(f"{statement.id}, {statement.title}", tuple(lines)).text()
