"""The registry of statements as a static site: an index, a page for each statement, THEORY.md, and the shipped certificates."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from theorems import Statement, statements
from theorems.shipped import shipped_certificate
from theorems.statement import EVIDENCE, Instance

from ...certificate.format import canonical
from .mathml import mathml, matrix_tex, number_tex
from .pages import GREEK, page, style, typeset
from .theory import Theory, linked, slug

GROUPS = {
    "T": ("Theorems on convergence", "What the sign of an exponent says about where training ends."),
    "D": ("Definitions", "What the exponents are, and what they depend on."),
    "E": ("Facts about exponents", "Closed forms, bounds and relations."),
    "S": ("The sandwich", "What certificates rest on."),
    "F": ("Folklore", "What is said about the stability of SGD, and what refutes it."),
}
GRADES = {
    "definition": "nothing is claimed",
    "published proof": "the cited paper proves it",
    "proved here": "THEORY.md proves it",
    "machine-checked": "the trusted checker accepts certificates of it",
    "extension of a published proof, not proved": "a published theorem, carried over to a case that it does not cover",
    "tested": "examples agree with it",
    "conjectured": "nobody has proved it",
    "refuted": "a certified counterexample is shipped",
}
BACKWARDS = {
    "implies": "follows from", "follows from": "implies", "generalises": "special case of", "special case of": "generalises", "uses": "is used by",
    "refutes": "refuted by", "refuted by": "refutes", "equivalent to": "equivalent to", "see": "see",
}  # fmt: skip
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{5})")


def site() -> dict[str, str]:
    """All files of the site by their names."""
    every = statements()
    pages = {one.id: f"{slug(one.id)}.html" for one in every}
    theory = Theory(pages)
    files = {"style.css": str(style()), "theory.html": page("theory.html", title="Theory", current="theory", body=theory.html)}
    for k, one in enumerate(every):
        certificate, name = shipped_certificate(one), f"{slug(one.id)}.json"
        if certificate is not None:
            files[f"certificates/{name}"] = canonical(certificate) + "\n"
        content = {
            "statement": one,
            "variables": [(mathml(_variable(v.name)), v.meaning, v.domain.replace("infinity", "∞").replace(" x ", " × ")) for v in one.variables],
            "references": [_reference(r, theory.targets) for r in one.references],
            "relations": _relations(one, every),
            "pages": pages,
            "instances": [_instance(i) for i in one.instances],
            "certificate": certificate,
            "file": name,
            "grade": GRADES[one.evidence],
            "words": lambda text, here=one.id: linked(text, {k: v for k, v in pages.items() if k != here}, typeset),
            "before": every[k - 1] if k else None,
            "after": every[k + 1] if k + 1 < len(every) else None,
            "proof": f"theory.html{theory.targets[one.id]}" if one.id in theory.targets else None,
            "current": "",
        }
        files[pages[one.id]] = page("statement.html", **content)
    groups = [(*GROUPS.get(key, ("Further statements", "")), [one for one in every if one.id[0] == key]) for key in dict.fromkeys(one.id[0] for one in every)]
    counts = [(grade, GRADES[grade], sum(one.evidence == grade for one in every)) for grade in EVIDENCE]
    files["index.html"] = page("index.html", current="index", groups=groups, pages=pages, counts=[c for c in counts if c[2]])
    return files


def _variable(name: str) -> str:
    """The project's ASCII names as TeX: eta, w*, xi_n, "p, q"."""
    return re.sub(r"[a-z]{2,}", lambda m: f"\\{m[0]}" if m[0] in GREEK else rf"\mathrm{{{m[0]}}}", name).replace("*", "^*")


def _reference(text: str, targets: dict[str, str]) -> Markup:
    """A source; arXiv numbers and places in THEORY.md are links."""
    if text.startswith("theorems/THEORY.md"):
        return linked(text.replace("theorems/THEORY.md", "Theory"), {k: f"theory.html{v}" for k, v in targets.items()})
    return Markup(_ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', str(Markup.escape(text))))


def _relations(one: Statement, every: tuple[Statement, ...]) -> list[tuple[str, str, str]]:
    """(kind, id, title) of what it is related to, also where only the other statement says so."""
    titles = {other.id: other.title for other in every}
    found: list[tuple[str, str]] = [(r.kind, r.to) for r in one.relations]
    named = {to for _, to in found}
    found += [(BACKWARDS[r.kind], other.id) for other in every for r in other.relations if r.to == one.id and other.id not in named]
    return [(kind, to, titles.get(to, "")) for kind, to in dict.fromkeys(found)]


def _instance(one: Instance) -> dict[str, Any]:
    """A shipped case: its data as formulas, its certified signs."""
    rows, name = (one.gram, "K") if one.gram is not None else (one.features or (), "X")
    drawn = "" if one.batch == 1 else f", {'with' if one.replacement else 'without'} replacement"
    how = "gradient descent" if one.optimiser == "gd" else f"SGD, batch {one.batch}{drawn}"
    how += f", weights {', '.join(one.weights)}" if one.weights else ""
    data = mathml(rf"{name}={matrix_tex([list(row) for row in rows])},\quad\eta={number_tex(one.step_size)}", True)
    return {"label": one.label, "data": data, "how": how, "signs": one.signs}
