"""What a page is made of, as a parser without a browser sees it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "wbr", "input", "hr"}
FETCHES = {"src", "srcset", "poster", "data", "xlink:href", "background", "action"}  # attributes that make a browser load something


class Structure(HTMLParser):
    """Elements, identifiers and references of one page; `faults` are what is wrong with them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.references: list[str] = []
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self.open]
        self.faults += [f"the id {one} is there twice" for one in {i for i in self.ids if self.ids.count(i) > 1}]
        self.faults += [f"nothing has the id {one}" for one in self.references if one not in self.ids]
        self.faults += [f"a heading of level {b} follows one of level {a}" for a, b in zip([0, *self.headings], self.headings, strict=False) if b > a + 1]
        self.faults += [] if self.headings.count(1) == 1 else ["not one h1"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name, value in attrs:
            text = value or ""
            if name == "id":
                self.ids.append(text)
            elif name == "href":
                self._address(tag, text)
            elif name in ("aria-labelledby", "aria-describedby"):
                self.references += text.split()
            elif name.startswith("on") or name in FETCHES:
                self.faults.append(f"<{tag} {name}>")
            if name != "href":
                self.references += re.findall(r"url\(#([^)]*)\)", text)
                self.faults += [f"<{tag} {name}={text[:40]}>"] if re.search(r"url\((?!#)|https?:|javascript:", text) and not name.startswith("xmlns") else []

    def _address(self, tag: str, text: str) -> None:
        if text.startswith("#"):
            self.references.append(text[1:])
        elif tag == "a":
            self.links.append(text)
            if not re.match(r"[A-Za-z0-9]|data:application/json;base64,", text) or text.lower().startswith("javascript"):
                self.faults.append(f"a link to {text[:60]}")
        elif text not in ("data:,", "style.css"):
            self.faults.append(f"<{tag}> loads {text[:60]}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.faults += ["the style sheet loads something"] if re.search(r"url\(|@import", data) else []
        else:
            self.texts.append(data)
