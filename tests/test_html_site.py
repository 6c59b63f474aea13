"""The registry as a site: every statement has its page, every link arrives, every formula is MathML that browsers draw; folders are replaced with care."""

import json
import re
from pathlib import Path

import pytest
from html_structure import Structure

from theorems import statements
from verify import check
from verify.cli import main
from verify.exact import InputError
from verify.report.html.folder import MANIFEST, site_folder, write_folder
from verify.report.html.mathml import mathml, matrix_tex
from verify.report.html.site import site
from verify.report.html.theory import linked

THEORY = Path(__file__).parent.parent / "theorems" / "THEORY.md"


@pytest.fixture(scope="module")
def files():
    return site()


@pytest.fixture(scope="module")
def pages(files):
    return {name: Structure(text) for name, text in files.items() if name.endswith(".html")}


def test_every_page_is_well_formed_and_loads_nothing(pages):
    assert {name: page.faults for name, page in pages.items() if page.faults} == {}
    assert not any({"script", "img", "iframe"} & set(page.tags) for page in pages.values())


def test_every_link_arrives(files, pages):
    for name, page in pages.items():
        for link in page.links:
            if link.startswith("https://arxiv.org/abs/"):
                continue
            address, _, fragment = link.partition("#")
            assert address in files, (name, link)
            assert not fragment or fragment in pages[address].ids, (name, link)


def test_every_statement_has_a_page_with_everything(files, pages):
    index = pages["index.html"].links
    for one in statements():
        name = f"{one.id.replace(chr(39), '-prime')}.html"
        assert name in index
        text = re.sub(r"\s+", "", "".join(pages[name].texts))
        assert re.sub(r"\s+", "", one.id) in text
        assert one.evidence.replace(" ", "") in text
        assert "math" in pages[name].tags
        assert all(f"{x.to.replace(chr(39), '-prime')}.html" in pages[name].links for x in one.relations)
        assert files[name].count('<div class="card">') == len(one.instances)
        for reference in one.references:
            if not re.search("arXiv|THEORY", reference):
                assert re.sub(r"\s+", "", reference) in text


def test_relations_are_shown_at_both_ends(pages):
    for one in statements():
        for relation in one.relations:
            target = pages[f"{relation.to.replace(chr(39), '-prime')}.html"]
            assert f"{one.id.replace(chr(39), '-prime')}.html" in target.links


def test_the_certificates_of_the_site_are_accepted(files):
    certificates = [json.loads(text) for name, text in files.items() if name.startswith("certificates/")]
    assert len(certificates) >= sum(bool(one.instances) for one in statements())
    assert all(check(one) for one in certificates[:3])


def test_the_theory_is_whole(pages):
    source = THEORY.read_text(encoding="utf-8")
    theory = pages["theory.html"]
    for fact in re.findall(r"^\*\*([TES]\d+'*)(?![\w'-])", source, re.MULTILINE):
        assert fact.replace("'", "-prime") in theory.ids
    assert {"section-1", "references", "CE25", "BP92"} <= set(theory.ids)
    text = "".join(theory.texts)
    assert "$" not in text
    assert "**" not in text
    assert theory.tags.count("math") >= len(re.findall(r"\$\$.+?\$\$|\$.+?\$", source, re.DOTALL))
    assert theory.tags.count("table") == 1
    assert theory.links.count("E5.html") == 1


def formulas():
    found = [a or b for a, b in re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$", THEORY.read_text(encoding="utf-8"), re.DOTALL)]
    return [*found, *(one.latex for one in statements())]


def faults(tex):
    """What no browser draws: commands left over, alphabets and lengths that MathML Core lacks, elements that are empty."""
    text = str(mathml(tex)) + str(mathml(tex, True))
    return re.findall(r">[^<]*\\[^<]*<|mathvariant=\"(?!normal)[^\"]*\"|thinmathspace|<merror|<(?:mfrac|msub|msup|msqrt)\s*/>", text)


def test_every_formula_is_drawable():
    assert len(formulas()) > 1000
    assert {tex: faults(tex) for tex in formulas() if faults(tex)} == {}
    assert faults(r"\nosuchcommand x")


def test_formulas_are_as_tex_has_them():
    assert "𝔼" in mathml(r"\mathbb E")
    assert "ℝ" in mathml(r"\mathbb R^d")
    assert "<munder>" in mathml(r"\sum_{k\ge0}q^k", True)
    assert "<munder>" not in mathml(r"\sum_{k\ge0}q^k")
    assert mathml(r"\log x").count("mspace") == 1
    assert mathml(r"\log(x)").count("mspace") == 0
    assert "<wbr>" in mathml(r"\lambda(w)\le0,\qquad\mu(w)\le0\text{ otherwise}")
    assert mathml(matrix_tex([["1", "-1/2"], ["1/2", "2"]])).count("<mtd>") == 4


def test_ids_in_words_are_links_and_the_rest_is_escaped():
    targets = {"E6'": "E6-prime.html", "E6": "E6.html", "F-jsr": "F-jsr.html"}
    assert linked("by E6' <and> E6, not E66 or xE6; F-jsr.", targets) == (
        'by <a href="E6-prime.html">E6&#39;</a> &lt;and&gt; <a href="E6.html">E6</a>, not E66 or xE6; <a href="F-jsr.html">F-jsr</a>.'
    )


def test_the_command_and_a_second_time(tmp_path, capsys):
    folder = tmp_path / "site"
    for _ in range(2):
        assert main(["theorems", "--html", str(folder), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == sorted(
            [*answer["pages"], *answer["certificates"], "style.css", MANIFEST]
        )
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
    assert folder.stat().st_mode & 0o077 or not Path(tmp_path).stat().st_mode & 0o077


def test_nothing_foreign_is_replaced(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    cases = [
        ([], "--html"),
        (["--html", ""], "empty"),
        (["--html", str(tmp_path / "file")], "is a file"),
        (["--html", str(tmp_path / "mine")], "thesis.tex"),
        (["--html", str(tmp_path / "no" / "site")], "does not exist"),
        (["--html", "/proc/site"], "cannot be written"),
        (["--html", "."], "current folder"),
    ]
    for arguments, words in cases:
        assert main(["theorems", *arguments]) == 2, arguments
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert words in shown.err
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "mine", "thesis.tex"]


def test_a_former_site_with_a_file_of_the_user_is_kept(tmp_path):
    target = site_folder(str(tmp_path / "site"), "--html")
    write_folder(target, {"a.html": "one", "certificates/b.json": "{}"})
    assert site_folder(str(target), "--html") == target
    (target / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        site_folder(str(target), "--html")


def test_a_failure_leaves_the_former_site(tmp_path, monkeypatch):
    target = site_folder(str(tmp_path / "site"), "--html")
    write_folder(target, {"a.html": "one"})
    written = Path.write_text

    def failing(self, *arguments, **options):
        if self.name == "b.html":
            raise OSError(28, "No space left on device")
        return written(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(OSError, match="No space"):
        write_folder(target, {"a.html": "two", "b.html": "two"})
    assert (target / "a.html").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["site"]
