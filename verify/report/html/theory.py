"""THEORY.md as a page: Markdown by markdown-it, formulas in MathML, every numbered statement and every source a target, and links to them from the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin

from .mathml import mathml

_NUMBERED = re.compile(r"([A-Z]\d+'*)(?![\w'-])")
_SOURCE = re.compile(r"\[([A-Z]+\d\d)\]")
_REFERENCE = re.compile(r"\[[A-Z]+\d\d\]|(?<![\w-])(?:[A-Z]\d+'*|[DF]-[a-z]+(?:-[a-z]+)*)(?![\w'])|section (\d)")


def slug(id: str) -> str:
    """An id as part of an address: an apostrophe becomes "-prime"."""
    return id.replace("'", "-prime")


def linked(text: str, targets: dict[str, str], plain: Callable[[str], Markup] = escape) -> Markup:
    """Text in which every id that `targets` has an address for is a link; `plain` turns the rest into markup."""
    shown, end = Markup(""), 0
    for found in _REFERENCE.finditer(text):
        address = targets.get(found[0])
        if address is not None:
            shown += plain(text[end : found.start()]) + Markup('<a href="{}">{}</a>').format(address, found[0])
            end = found.end()
    return shown + plain(text[end:])


class Theory:
    """The text of THEORY.md: `html`, and `targets`, the fragment for every statement ("E5"), section ("section 3") and source ("[CE25]")."""

    def __init__(self, pages: dict[str, str]) -> None:
        """`pages` has the address of the page of every statement of the registry."""
        source = files("theorems").joinpath("THEORY.md").read_text(encoding="utf-8")
        reader = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True, allow_digits=False, allow_space=True, allow_labels=False)
        tokens = reader.parse(source)
        self.targets: dict[str, str] = {}
        self._mark(tokens, pages)
        self._link(tokens, self.targets)
        for name, display in (("math_inline", False), ("math_inline_double", True), ("math_block", True)):
            reader.add_render_rule(name, _rule(display))
        self.html = Markup(_flowing(reader.renderer.render(tokens, reader.options, {})))

    def _mark(self, tokens: list[Token], pages: dict[str, str]) -> None:
        """Identifiers for headings, for paragraphs that begin with a number in bold, and for sources."""
        for opening, inline in pairwise(tokens):
            children = inline.children or []
            if opening.type == "heading_open" and opening.tag == "h2":
                number = re.match(r"\d", inline.content)
                self._place(opening, f"section {number[0]}" if number else inline.content, f"section-{number[0]}" if number else inline.content.lower())
            elif opening.type == "paragraph_open" and len(children) > 2 and children[1].type == "strong_open":
                found = _NUMBERED.match(children[2].content)
                if found and found[1] not in self.targets:
                    self._place(opening, found[1], slug(found[1]))
                    if found[1] in pages:
                        children[2] = _raw(f'<a href="{escape(pages[found[1]])}">{escape(found[1])}</a>{escape(children[2].content[found.end() :])}')
            if inline.type == "inline" and inline.content.startswith("[AB24]"):
                self._sources(children)

    def _place(self, token: Token, name: str, fragment: str) -> None:
        token.attrSet("id", fragment)
        self.targets[name] = f"#{fragment}"

    def _sources(self, children: list[Token]) -> None:
        for k, child in enumerate(children):
            if child.type == "text" and _SOURCE.search(child.content):
                names = _SOURCE.findall(child.content)
                self.targets |= {f"[{name}]": f"#{name}" for name in names}
                children[k] = _raw(_SOURCE.sub(r'<br><b id="\1">[\1]</b>', str(escape(child.content))))

    @staticmethod
    def _link(tokens: list[Token], targets: dict[str, str]) -> None:
        for token in tokens:
            token.children = [_raw(linked(child.content, targets)) if child.type == "text" else child for child in token.children or []] or token.children


def _raw(html: str) -> Token:
    return Token("html_inline", "", 0, content=html)


def _rule(display: bool) -> Callable[..., str]:
    """How a formula token is rendered."""

    def render(_self: object, tokens: list[Token], index: int, *_: object) -> str:
        return mathml(tokens[index].content.strip(), display)

    return render


def _flowing(html: str) -> str:
    """Displayed formulas are blocks, which no paragraph may contain: the paragraph ends before them and goes on after."""
    return re.sub(r'(<div class="formula".*?</div>)', r"</p>\n\1\n<p>", html, flags=re.DOTALL).replace("<p></p>", "").replace("<p>\n</p>", "")
