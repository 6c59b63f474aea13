"""TeX formulas to presentation MathML as browsers draw it (MathML Core), by latex2mathml and a few repairs of what Core leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markupsafe import Markup

# Core knows no mathvariant but "normal": letters of other alphabets are characters of their own.
ALPHABETS: dict[str, tuple[int, dict[str, str]]] = {
    "double-struck": (0x1D538, {"C": "ℂ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}),
    "fraktur": (0x1D504, {"C": "ℭ", "I": "ℑ", "R": "ℜ"}),
    "sans-serif": (0x1D5A0, {}),
}
# Characters that the converter takes for something else: the element that they are, the character that browsers have, and the space on both sides.
SIGNS = {
    "∞": ("mi", "∞", ""), "∅": ("mi", "∅", ""), ";": ("mo", ";", ""), "/": ("mo", "/", "0"), "|": ("mo", "|", "0"), "\u29f5": ("mo", "∖", "0.222em"),
    "~": ("mo", "∼", "0.278em"), "⪰": ("mo", "⪰", "0.278em"), "⪯": ("mo", "⪯", "0.278em"), ":": ("mo", ":", "0.222em"),
}  # fmt: skip
LIMITS = {"∑", "∏", "⋃", "⋂", "⨁", "lim", "max", "min", "sup", "inf", "limsup"}
UNDER = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
RELATIONS = set("=<>≤≥≠∈∉⊂≺≻⪯⪰⇒⇔→↦←∼∝,;")
SUMS = set("+−")
LONG, MANY = 24, 12  # characters of TeX beyond which an inline formula may be broken, and of a piece beyond which it may be so anywhere
THIN = {"width": "0.167em"}


@cache
def mathml(tex: str, display: bool = False) -> Markup:
    """A formula as MathML; displayed, or in a line of text, where a long one is several pieces so that it can be broken after its relations."""
    root = _repaired(ElementTree.fromstring(convert(_plainer(tex)).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")), display)
    if display:
        root.set("display", "block")
        return Markup(f'<div class="formula">{_text(root)}</div>')
    root.attrib.pop("display", None)
    return Markup("<wbr>".join(map(_text, _broken(root))) if len(tex) > LONG else _text(root))


def matrix_tex(rows: list[list[str]]) -> str:
    """A matrix of exact numbers, such as [["1", "1/2"], ["1/2", "2"]]."""
    return r"\begin{pmatrix}" + r"\\".join("&".join(map(number_tex, row)) for row in rows) + r"\end{pmatrix}"


def number_tex(text: str) -> str:
    """An exact number: 1/2 as a small fraction."""
    number = Fraction(text)
    if number.denominator == 1:
        return str(number)
    return rf"{'-' if number < 0 else ''}\tfrac{{{abs(number.numerator)}}}{{{number.denominator}}}"


def _plainer(tex: str) -> str:
    """Commands that the converter does not know, or takes for something else."""
    tex = re.sub(r"\{\\rm\s*([^{}]*)\}", r"{\\mathrm{\1}}", tex)
    tex = re.sub(r"\\tag\{([^{}]*)\}", r"\\qquad(\1)", tex)
    return re.sub(r"(?<=\w)\.\.(?=\w)", r"\\ldots ", tex).replace(r"\thinspace", r"\,").replace(":=", r"\coloneqq ")


def _text(root: Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


def _repaired(node: Element, display: bool) -> Element:
    if node.get("mathvariant") in ALPHABETS:
        start, others = ALPHABETS[node.attrib.pop("mathvariant")]
        node.text = "".join(others.get(c) or chr(start + ord(c) - (65 if c < "a" else 71)) if c.isascii() and c.isalpha() else c for c in node.text or "")
    if node.get("width") == "thinmathspace":
        node.set("width", "0.167em")
    if node.tag in ("mi", "mo") and node.text in SIGNS and node.get("stretchy") != "true":
        node.tag, node.text, space = SIGNS[node.text]
        node.attrib.update({"lspace": space, "rspace": space} if space else {})
    elif node.tag == "mo" and _is_word(node):
        node.tag = "mi"
    if display and node.tag in UNDER and len(node) and node[0].tag in ("mo", "mi") and node[0].text in LIMITS:
        node.tag = UNDER[node.tag]
    children = [_repaired(child, display) for child in node]
    node[:] = _spaced(children) if node.tag in ("math", "mrow", "mstyle", "mtd") else children
    return node


def _spaced(children: list[Element]) -> Iterator[Element]:
    """Thin spaces around the names of functions, as TeX has them."""
    for before, node in zip([None, *children], children, strict=False):
        if before is not None and node.tag != "mspace":
            ends = before.tag in ("mi", "mn", "msub", "msup", "msubsup", "mfrac", "mstyle", "munder", "mover", "munderover")
            goes_on = node.tag != "mo" or node.text in ("|", "∑", "∏")
            if (_is_function(before) and goes_on) or (_is_function(node) and ends):
                yield Element("mspace", THIN)
        yield node


def _is_function(node: Element) -> bool:
    """log, max_i and so on."""
    return _is_word(node[0]) if node.tag in (*UNDER, *UNDER.values()) and len(node) else node.tag == "mi" and _is_word(node)


def _is_word(node: Element) -> bool:
    return len(node.text or "") > 1 and (node.text or "").isalpha() and (node.text or "").isascii()


def _broken(root: Element) -> Iterator[Element]:
    """The formula cut after relations and commas outside of brackets, and where a piece is long after any of them and after plus and minus."""
    row = root[0] if len(root) == 1 and root[0].tag == "mrow" else root
    piece, depth, size = Element("math"), 0, 0
    for node in row:
        piece.append(node)
        size += len("".join(node.itertext()))
        depth += (node.text in ("(", "[", "{")) - (node.text in (")", "]", "}")) if node.tag in ("mo", "mi") else 0
        breaks = (node.text in RELATIONS and depth <= 0) or (node.text in RELATIONS | SUMS and size > MANY)
        if node.tag == "mo" and breaks and node is not row[0]:
            node.set("form", "infix")  # else an operator at the end is taken for a postfix one, without spaces
            yield piece
            piece, size = Element("math"), 0
    if len(piece):
        yield piece
