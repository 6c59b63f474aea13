"""References: the BibTeX of the literature (`verify/data/references.bib`), of this software, and of a certificate, which is named by its content hash."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from .notation import escaped

SOFTWARE = "sgd-verify"
TITLE = "sgd-verify: certified verdicts on the stability of stochastic gradient descent"  # as in CITATION.cff
AUTHORS = "The sgd-verify authors"
_ENTRY = re.compile(r"@(\w+)\{([^,]+),\n(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)
_ORDER = ("author", "title", "journal", "booktitle", "publisher", "howpublished", "volume", "number", "pages", "year", "note")


@dataclass(frozen=True)
class Entry:
    """One reference: its kind, key and fields, values in LaTeX."""

    kind: str
    key: str
    fields: dict[str, str]

    def bibtex(self) -> str:
        return f"@{self.kind}{{{self.key},\n" + "".join(f"  {name} = {{{value}}},\n" for name, value in self.fields.items()) + "}"

    def item(self) -> str:
        r"""The entry as a \bibitem."""
        f = self.fields
        people = [" ".join(reversed(name.split(", "))) for name in f.get("author", "").split(" and ") if name]
        parts = [", ".join(people).replace(", others", " et al."), rf"\emph{{{f['title']}}}"]
        volume = f.get("volume", "") + (f"({f['number']})" if "number" in f else "") + (f":{f['pages']}" if "pages" in f else "")
        place = f.get("journal") or f.get("booktitle") or f.get("publisher") or f.get("howpublished", "")
        parts += [" ".join(filter(None, (place, volume))) + (f", {f['year']}" if place and "year" in f else f.get("year", "")), f.get("note", "")]
        parts = [re.sub(r"^(\\emph\{)?\{(.*?)\}(\}?)$", r"\1\2\3", part) for part in parts]
        return rf"\bibitem{{{self.key}}} " + ". ".join(filter(None, parts)) + "."

    @property
    def plain_title(self) -> str:
        """Without braces and accents, for comparisons."""
        return re.sub(r"\\.|[{}]", "", self.fields["title"]).casefold()


@cache
def literature() -> dict[str, Entry]:
    """All entries of the shipped bibliography by key."""
    text = files(__package__.rpartition(".")[0]).joinpath("data", "references.bib").read_text(encoding="ascii")
    return {key: Entry(kind, key, dict(_FIELD.findall(body))) for kind, key, body in _ENTRY.findall(text)}


def software_version() -> str:
    """Of the installed distribution."""
    from .. import __version__

    try:
        return version("sgd-verify")
    except PackageNotFoundError:  # vendored, or run from a source tree
        return __version__


def software() -> Entry:
    """This software, as CITATION.cff has it."""
    return Entry("misc", SOFTWARE, {"author": f"{{{AUTHORS}}}", "title": f"{{{TITLE}}}", "note": f"Version {software_version()}"})


def certificate_key(certificate: Any) -> str:
    """ "sgd-verify-cert-" and the first 12 digits of the hash."""
    return f"{SOFTWARE}-cert-{certificate['id'].removeprefix('sha256:')[:12]}"


def certificate_entry(certificate: Any, claims: str) -> Entry:
    """A certificate, named by its hash."""
    digest = certificate["id"].removeprefix("sha256:")
    note = r"SHA-256 \texttt{" + r"\allowbreak ".join(digest[i : i + 16] for i in range(0, len(digest), 16)) + "}"
    checker = "check\\_balls.py, with python-flint" if "requires" in certificate else "check.py, Python's standard library only"
    fields = {
        "key": certificate_key(certificate),
        "title": f"{{Certificate that {claims}}}",
        "howpublished": f"{escaped(str(certificate['format']))}, version {certificate['version']}; accepted by {checker}, of {SOFTWARE} {software_version()}",
        "note": note,
    }
    return Entry("misc", certificate_key(certificate), fields)


def bibtex(entries: Iterable[Entry]) -> str:
    """A .bib file."""
    return "\n\n".join(entry.bibtex() for entry in entries)


def items(entries: Iterable[Entry]) -> str:
    """A thebibliography environment."""
    return "\\begin{thebibliography}{9}\n" + "\n".join(entry.item() for entry in entries) + "\n\\end{thebibliography}"
