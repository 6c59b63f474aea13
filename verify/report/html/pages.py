"""What all pages share: templates that escape whatever they are given, the style sheet, and words with Greek letters and subscripts."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from .mathml import mathml

GREEK = {
    "alpha": "α", "beta": "β", "delta": "δ", "eta": "η", "kappa": "κ", "lambda": "λ", "mu": "μ", "omega": "ω", "rho": "ρ", "sigma": "σ", "xi": "ξ",
}  # fmt: skip
_LETTER = "|".join(GREEK)
_SYMBOL = re.compile(rf"(?<![\w'])(?:(?P<word>{_LETTER})|(?P<base>{_LETTER}|[A-Za-z])_(?:\((?P<long>[^()]*)\)|(?P<sub>[A-Za-z0-9]+)))(?![\w'])")
_POWER = re.compile(r"\^(?:(\w+|\*)|\(([^()]*)\))")
_SIGNS = (("&lt;-&gt;", "↔"), ("-&gt;", "→"), ("&lt;-", "←"), ("&lt;=", "≤"), ("&gt;=", "≥"), ("+-", "±"), (" (x) ", " ⊗ "))


def page(template: str, **content: Any) -> str:
    """A whole page."""
    return _environment().get_template(template).render(**content)


def style() -> Markup:
    """The style sheet of all pages."""
    return Markup(files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8"))


def typeset(text: str) -> Markup:
    """The project's plain words (lambda, K_ii, <=) in Greek letters, subscripts and signs; everything else escaped. Not for names and code."""
    shown = str(escape(text))
    for ascii_sign, sign in _SIGNS:
        shown = shown.replace(ascii_sign, sign)
    return Markup(_POWER.sub(r"<sup>\1\2</sup>", _SYMBOL.sub(_symbol, shown)))


def sentence(text: str) -> Markup:
    """`typeset`, with a full stop and, unless it begins with a symbol, a capital letter."""
    first = text[:1] if _SYMBOL.match(text) else text[:1].upper()
    return typeset(first + text[1:] + "." * (not text.endswith(".")))


def _symbol(found: re.Match[str]) -> str:
    if found["word"]:
        return GREEK[found["word"]]
    base, below = found["base"], found["long"] or found["sub"]
    return f"<var>{GREEK.get(base, base)}<sub>{below}</sub></var>"


@cache
def _environment() -> Environment:
    from ... import __version__

    made = Environment(loader=PackageLoader(__package__, "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"typeset": typeset, "sentence": sentence, "math": mathml}
    made.globals |= {"version": __version__}
    return made
