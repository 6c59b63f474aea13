"""Matplotlib's SVG inside an HTML page: colours that follow the page's scheme, identifiers that are unique in the page, a text alternative."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ..plot import BLUE, GREY, STYLE, VERMILION
from ..simulation_plot import GREEN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"#ffffff": "paper", "#000000": "ink", BLUE: "blue", VERMILION: "red", GREEN: "green", GREY: "muted"}
SHADES = re.compile("|".join(map(re.escape, COLOURS)), re.IGNORECASE)
IDENTIFIER = re.compile(r'\bid="|(?:xlink:)?href="#|url\(#')


def drawn(figure: Callable[..., Figure], *arguments: Any) -> str:
    """What `figure(*arguments)` draws as SVG text, a function of the arguments, in the style of all figures."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        stream = io.StringIO()
        figure(*arguments).savefig(stream, format="svg", metadata={"Date": None, "Creator": "sgd-verify"})
    return stream.getvalue()


def inline(text: str, name: str, title: str) -> Markup:
    """An SVG document as an element of a page; `name` makes its identifiers unique, `title` is what a screen reader says."""
    body = text[text.index("<svg") :]
    head, _, rest = body.partition(">")
    rest = re.sub(r"\s*<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    rest = IDENTIFIER.sub(lambda found: {"i": f'id="{name}-', "u": f"url(#{name}-"}.get(found[0][0], f'href="#{name}-'), rest)
    rest = SHADES.sub(lambda found: f"var(--{next(v for k, v in COLOURS.items() if k.lower() == found[0].lower())})", rest)
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    return Markup('<svg {} role="img" aria-labelledby="{}-title"><title id="{}-title">{}</title>{}').format(
        Markup(box[0]), name, name, title, Markup(rest.strip())
    )
