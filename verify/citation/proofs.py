"""The proof of each kind of certificate in LaTeX, self-contained: the argument, the numbers, and, where these are many, the file that lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ..certificate.check import Case, Goal, Rejected, Subject, prove
from . import averages, cones, elementary
from .claims import Group, Line, joined
from .notation import fits, listing
from .part import PRODUCT, Part, is_upper
from .statement import claimed, where


def proved(groups: Sequence[Group], version: int, file: str) -> str:
    """The proof of all lines; `file` is the citation of the certificate."""
    parts = [_parts(group, version, file) for group in groups]
    cone_parts = [part for own in parts for part in own if _uses_cones(part.first.proof)]
    shared = ""
    if len(cone_parts) > 1 or any(len(part.lines) > 1 or part.first.proof["kind"] == "components" for part in cone_parts):
        sides = "".join(side for side in "<>" if any(line.relation == "=" or is_upper(line) == (side == "<") for part in cone_parts for line in part.lines))
        shared = cones.criterion(sides, False, False)
    texts = []
    for group, own in zip(groups, parts, strict=True):
        epochs = "Take whole epochs as steps, whose exponent is that many times $\\lambda$ as an epoch has steps. " if own[0].subject.period > 1 else ""
        texts.append(epochs + "\n\n".join(_heading(part, group) + _text(replace(part, shared=bool(shared))) for part in own))
    return shared + (texts[0] if len(texts) == 1 else "\\begin{enumerate}\n" + "\n".join(rf"\item {text}" for text in texts) + "\n\\end{enumerate}")


def _text(part: Part) -> str:
    """The proof of a part; an equation by kinds that prove one side at a time is proved in two."""
    kind = part.first.proof["kind"]
    if part.first.relation == "=" and kind not in ("equal-norms", "boundary", "orthogonal"):
        return " ".join(_text(replace(part, lines=tuple(replace(line, relation=side) for line in part.lines))) for side in ("<=", ">="))
    return KINDS[kind](part)


def _uses_cones(proof: dict[str, Any]) -> bool:
    inner = proof["parts"] if proof["kind"] == "components" else ()
    return proof["kind"] in ("planar-forms", "linear-cones", "exterior") or any(_uses_cones(part["proof"]) for part in inner)


def _parts(group: Group, version: int, file: str) -> list[Part]:
    """Ranges with proofs of one kind in one direction stand together, all else alone; in the order of their step sizes."""
    found: dict[Any, list[Line]] = {}
    for number_of, line in enumerate(group.lines):
        kind = line.proof["kind"]
        together = line.ends is not None and kind not in ("components", "gd")
        key: Any = (kind, line.quantity, line.relation) if together else number_of
        if kind == "balls" or (kind == "planar-forms" and not together and line.relation != "="):  # both sides by the same cones
            key = (kind, line.at, str(line.proof.get("cones")))
        found.setdefault(key, []).append(line)
    parts = []
    for lines in found.values():
        subject = Subject(lines[0].subject, version)
        parts.append(Part(tuple(lines), subject, tuple(range(subject.n)), file))
    return sorted(parts, key=lambda part: min((line.ends or (line.at or Fraction(0), None))[0] for line in part.lines))


def _heading(part: Part, group: Group) -> str:
    """ "Proof of lambda < 0 for eta in (0, 1]." where there is more than one claim to be told apart."""
    if len(group.lines) == len(part.lines):
        return ""
    places = [where(ends, at) for ends, at, _ in joined(part.lines) if (ends or at) and group.step_size is None]
    joint = f", in {len(part.lines)} parts" if len(part.lines) > len(places) > 0 else ""
    claim = claimed(part.lines if len({line.relation for line in part.lines}) > 1 else [part.first])
    return rf"\emph{{Proof of {claim}{' ' if places else ''}{listing(places) if places else ''}{joint}.}} "


def _components(part: Part) -> str:
    out: list[str] = []
    for one in part.first.proof["parts"]:
        line = replace(part.first, proof=one["proof"])
        inner = replace(part, lines=(line,), samples=tuple(one["component"]))
        if part.upper or (not out and _holds(inner)):
            out.append(rf"\item The samples {', '.join(str(i + 1) for i in inner.samples)}. {_text(inner)}")
    head = (
        r"Samples of different components have $K_{ij}=0$, so the span of the gradients is an orthogonal sum of invariant subspaces, and $\lambda$ is the "
        r"largest of the exponents on "
        "them, in which the steps of the other samples are the identity. "
    )
    head += "Each is bounded:" if part.upper else "It suffices that one is bounded:"
    return head + "\n\\begin{itemize}\n" + "\n".join(out) + "\n\\end{itemize}"


def _holds(part: Part) -> bool:
    """Whether the proof of a component proves the bound: for a lower bound one of them has to."""
    line = part.first
    try:
        prove(Case(part.subject, list(part.samples)), line.proof, Goal(line.quantity, False, line.value * part.subject.period, line.relation == ">"))
    except Rejected:
        return False
    return True


def _exterior(part: Part) -> str:
    k, line = part.first.proof["power"], replace(part.first, proof=part.first.proof["proof"])
    text = (
        rf"The matrices $\Lambda^kA_s$ of the minors of order $k={k}$ multiply as the $A_s$ do, and $\|\Lambda^k({PRODUCT})\|\le\|{PRODUCT}\|^k$, so "
        rf"$k\lambda$ is at "
        rf"least their exponent, which "
    )
    text += "is bounded by cones.\n\n"
    if not part.shared:
        text += cones.criterion(">", not line.value and line.relation == ">", False)
    return text + cones.conditions((line,), False, part.file) + r" Here $A_s$ stands for $\Lambda^kA_s$, and $y$ for $k$ times the bound on $\lambda$."


def _cones(part: Part) -> str:
    line, s = part.first, part.subject
    found = cones.by_hand(line, part.family) if len(part.lines) == 1 and not s.ranged else []
    text = _coordinates(part, bool(found)) + "\n\n"
    if not part.shared:
        signs = not line.value and line.relation in ("<", ">")
        text += cones.criterion("<" if part.upper else ">", signs, len(found) == 1)
    return text + (cones.table(line, part.family, found) if found else cones.conditions(part.lines, bool(s.radius), part.file))


def _coordinates(part: Part, shown: bool) -> str:
    """In which coordinates the steps are the rational matrices of the checker."""
    s = part.subject
    if s.matrices is not None:
        return "The family is as stated." if not shown else "The steps are " + cones.steps(part.family) + "."
    if not s.plain or s.batch > 1:
        text = (
            "In the residuals of the samples the steps are rational matrices, rebuilt from the claim by the checker; a fixed linear map takes the one form "
            "to the other, so that the exponents are the same."
        )
    else:
        full = s.ranged or len(part.samples) == part.family.d
        on = "" if full else r", restricted to $\operatorname{range}K$"
        text = (
            r"In the residuals $r_j=\langle g_j,w-w^*\rangle$ the step of sample $i$ is $r\mapsto A_ir$ with $A_i=I-\eta Ke_ie_i^{\mathsf "
            r"T}$" + on + r"; the map from $\operatorname{span}\{g_i\}$ to the "
            "residuals is linear and injective, so that the exponent is the same."
        )
    return text + (" The steps are " + cones.steps(part.family) + "." if shown else "")


def _balls(part: Part) -> str:
    return (
        r"Every step maps a finite union of arcs of directions, not all of them, into its interior. On each arc $h$ is the exponential of a Chebyshev "
        r"polynomial; by the residual sandwich (for $h$ homogeneous of degree one on cones that the steps map into each other up to sign, $\lambda$ lies "
        r"between the extrema of $\sum_sp_s\log(h(A_sv)/h(v))$) it remains to bound that "
        rf"function, analytic on a Bernstein ellipse, between Chebyshev nodes. {part.file[0].upper()}{part.file[1:]} lists the arcs and the coefficients; "
        rf"the bounds are evaluated in ball arithmetic, so that this proof needs "
        r"a library for it (FLINT)."
    )


KINDS: dict[str, Callable[[Part], str]] = {
    "gd": elementary.gd,
    "determinant": elementary.determinant,
    "nonexpansive": elementary.nonexpansive,
    "equal-norms": elementary.equal_norms,
    "orthogonal": elementary.orthogonal,
    "boundary": elementary.boundary,
    "components": _components,
    "words": averages.words,
    "mean-square": averages.mean_square,
    "weighted-mean-square": averages.weighted_mean_square,
    "exterior": _exterior,
    "renewal": averages.renewal,
    "linear-cones": _cones,
    "planar-forms": _cones,
    "balls": _balls,
}


def hand_checkable(groups: Sequence[Group], version: int) -> bool:
    """Whether statement and proof are written out in full, so that nothing of the file is needed."""
    return all(_full(line, version) for group in groups for line in group.lines)


def _full(line: Line, version: int) -> bool:
    subject, kind = Subject(line.subject, version), line.proof["kind"]
    data = subject.matrices if subject.matrices is not None else [subject.gram if subject.gram is not None else subject.features or []]
    if len(data) > 4 or not all(map(fits, data)):
        return False
    if kind in ("planar-forms", "linear-cones"):
        return not subject.ranged and bool(cones.by_hand(line, subject.family(list(range(subject.n)))))
    return kind not in ("balls", "components", "words", "mean-square", "weighted-mean-square", "exterior") or (
        kind == "mean-square" and fits(line.proof["matrix"]) and line.ends is None
    )
