"""Citations: LaTeX that states and proves what the certificate does, BibTeX, the shipped library and its index, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import types
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import samples
import test_check_ranges as ranges

import theorems
import verify
from theorems import library
from theorems.citation import references
from verify.citation import FORMATS
from verify.citation.bibliography import AUTHORS, TITLE, literature, software_version
from verify.citation.notation import number, words
from verify.cli import main
from verify.exact import InputError

ROOT = Path(__file__).parent.parent
SAMPLES = samples.certificates() | {f"range {name}": samples.sealed(*pair) for name, pair in (ranges.ACCEPTED | ranges.RANGES | ranges.BOXES).items()}
FILES = library.files()
ONE_CONE = library.FOLDER / "one-cone.json"
PDFLATEX = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed (Debian: texlive-latex-base); the LaTeX is tested as text only"
)


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


def one_line_error(result: tuple[int, str, str], *parts: str) -> None:
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert all(part in err for part in parts), err


def well_formed(tex: str) -> None:
    """ASCII, balanced braces, environments and formulas, no trace of Python."""
    assert tex.isascii()
    bare = re.sub(r"\\[\\{}$%]", "", re.sub(r"(?m)^%.*$", "", tex))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert tex.count(r"\[ ") == len(re.findall(r" \\\]$", tex, re.MULTILINE))
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\*?\}", tex):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert not re.search(r"\b(Fraction|None|nan)\b", tex)


def cited(tex: str) -> set[str]:
    return {key for group in re.findall(r"\\cite(?:\[[^\]]*\])?\{([^}]*)\}", tex) for key in group.split(",")}


# --- LaTeX ----------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_kind_of_proof_becomes_a_lemma(name: str) -> None:
    certificate = SAMPLES[name]
    tex = verify.cite(certificate)
    well_formed(tex)
    assert certificate["id"].removeprefix("sha256:") in re.sub(r"\\allowbreak ", "", tex)
    assert cited(tex) <= set(re.findall(r"@\w+\{([^,]+),", verify.cite(certificate, "bibtex")))
    for format in ("json", "text") if not name.startswith("range") else ():
        assert certificate["id"] in verify.cite(certificate, format)


def evaluated(latex: str, s: int, t: int) -> Fraction:
    """The value of a polynomial such as -\\tfrac{1}{2}s^{2}+3st at integers, read by Python and not by this package."""
    text = re.sub(r"\\tfrac\{(\d+)\}\{(\d+)\}", r"*F(\1,\2)", latex.replace(r"\allowbreak ", ""))
    text = re.sub(r"(?<![\w(,.])(\d+\.\d+)", r"*F('\1')", text)
    text = re.sub(r"\^\{(\d+)\}", r"**\1", text)
    text = re.sub(r"(?<![\w*(,'.])(\d+)(?=[st])", r"*\1", text)
    text = re.sub(r"([st])", r"*\1", text)
    text = re.sub(r"(^|[-+])\*", r"\g<1>1*", text)
    return Fraction(eval(text, {"F": Fraction, "s": s, "t": t}))


def test_the_table_of_the_one_cone_lemma_is_right_by_independent_arithmetic() -> None:
    """What a reader does with pencil and paper, at six points (s, t), which determine forms of degree two: images, values of h, and the last row."""
    tex = verify.cite(library.load(ONE_CONE))
    for part in (
        r"K = \begin{pmatrix}1 & \tfrac{1}{2}",
        r"\eta=\tfrac{101}{100}",
        r"Then $\lambda< 0$",
        r"\cite[Theorem~B]{ChemnitzEngel2025}",
        "complete as it stands",
    ):
        assert part in tex
    rows = dict(line.rstrip(" \\").split(" &= ") for line in tex[tex.index(r"\begin{align*}") : tex.index(r"\end{align*}")].splitlines()[1:])
    eta, k = Fraction(101, 100), [[Fraction(1), Fraction(1, 2)], [Fraction(1, 2), Fraction(2)]]
    rays = [tuple(map(int, ray)) for ray in re.findall(r"[st]\\,\((-?\d+),(-?\d+)\)", tex)]
    h = [int(c) for c in re.search(r"h\(v\)=(\d+)s\+(\d+)t", tex).groups()]  # type: ignore[union-attr]
    assert len(rays) == 2
    for s, t in ((1, 0), (0, 1), (1, 1), (2, 1), (1, 3), (5, 2)):
        v = [s * x + t * y for x, y in zip(*rays, strict=True)]
        values = []
        for i, sign in ((0, 1), (1, -1)):
            image = [sign * (v[j] - eta * k[j][i] * v[i]) for j in (0, 1)]
            name = f"{'-' if sign < 0 else ''}A_{{{i + 1}}}v"
            x, y = (evaluated(p, s, t) for p in re.findall(r"\\bigl\((.*?)\\bigr\)", rows[name]))
            assert x >= 0 <= y
            assert [x * a + y * b for a, b in zip(*rays, strict=True)] == image
            values.append(h[0] * x + h[1] * y)
            assert evaluated(rows[f"h({name})"], s, t) == values[-1]
        last = values[0] * values[1] - (h[0] * s + h[1] * t) ** 2
        assert evaluated(rows[r"h(A_{1}v)\,h(-A_{2}v) - h(v)^{2}"], s, t) == last < 0


def test_no_kind_of_proof_is_forgotten() -> None:
    from verify.certificate.check import KINDS as checked
    from verify.citation.proofs import KINDS as written

    assert set(written) == set(checked) | {"balls"}


def test_ranges_and_boxes_are_stated_as_such() -> None:
    whole = verify.cite(library.load(library.FOLDER / "stability-set.json"))
    assert r"$\lambda< 0$ for every $\eta\in(0,1.050722]$" in whole
    assert r"$\lambda> 0$ for every $\eta\in[\tfrac{1051}{1000},\infty)$" in whole
    islands = verify.cite(library.load(library.FOLDER / "islands.json"))
    assert re.findall(r"\\item \$\\lambda([<>])", islands) == ["<", ">", "<", ">"]
    assert r"$|K'_{ij}-K_{ij}|\le \tfrac{1}{1000}$" in verify.cite(library.load(library.FOLDER / "box.json"))
    assert r"\cite[Theorem" not in whole + islands  # a range is no single minimum with a regularity condition


def test_no_theorem_is_cited_where_its_regularity_condition_fails() -> None:
    def cite(gram: Any, eta: str) -> str:
        return verify.cite(verify.Problem.from_gram(gram, verify.SGD(eta)).lyapunov().certificate)

    assert "Theorem~B" in cite([["1", "1/2"], ["1/2", "1"]], "1/2")
    for gram, eta in (([["1", "1/2"], ["1/2", "1"]], "1"), ([["1", "0"], ["0", "1"]], "1/2"), ([["1", "1"], ["1", "1"]], "1/2")):
        assert "Theorem~B" not in cite(gram, eta)


@PDFLATEX
def test_documents_compile_without_warnings(tmp_path: Path) -> None:
    wanted = {
        "one-cone": ONE_CONE,
        "set": library.FOLDER / "stability-set.json",
        "E14": library.FOLDER / "E14.json",
        "balls": library.FOLDER / "balls/pollicott.json",
    }
    texts = {name: verify.cite(library.load(path), document=True) for name, path in wanted.items()}
    texts |= {"T2": theorems.cite("T2", document=True), "E6": theorems.cite("E6'", document=True)}
    for name, text in texts.items():
        (tmp_path / f"{name}.tex").write_text(text)
        for _ in range(2):
            done = subprocess.run(
                ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout[-2000:]
        assert not re.search(r"Overfull|undefined|multiply defined", done.stdout), name
        assert (tmp_path / f"{name}.pdf").stat().st_size > 10_000


@PDFLATEX
def test_fragments_go_together_into_one_paper(tmp_path: Path) -> None:
    from verify.citation.latex import PREAMBLE

    fragments = [verify.cite(SAMPLES[name]) for name in list(SAMPLES)[::6]]
    (tmp_path / "paper.tex").write_text(PREAMBLE + "\\begin{document}\n" + "\n\n".join(fragments) + "\n\\end{document}")
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "multiply defined" not in done.stdout


@pytest.mark.parametrize(
    ("value", "latex"), [("3", "3"), ("-1/2", r"-\tfrac{1}{2}"), ("-123457/1000000", "-0.123457"), ("1/1000003", "1/1000003"), ("7/100000000", "0.00000007")]
)
def test_numbers_are_exact(value: str, latex: str) -> None:
    assert number(Fraction(value)) == latex


def test_words_keep_every_character() -> None:
    assert words("lambda < 0 iff c_i <= 2, 5% of $x & eta_det") == r"$\lambda$ $<$ 0 iff $c_{i}$ $\le$ 2, 5\% of \$x \& $\eta_{\mathrm{det}}$"
    assert words("w* in R^{N x N}, i.i.d. {1, 2}") == r"$w^*$ in R\textasciicircum{}\{$N\times N$\}, i.i.d. \{1, 2\}"


# --- BibTeX and the registry ------------------------------------------------------------------------------------------------------------------------


def test_the_bibliography_agrees_with_the_citation_file() -> None:
    cff = (ROOT / "CITATION.cff").read_text()
    assert f'title: "{TITLE}"' in cff
    assert f'name: "{AUTHORS}"' in cff
    assert f"\nversion: {software_version()}\n" in cff
    paper = literature()["ChemnitzEngel2025"].fields
    assert f'title: "{paper["title"]}"' in cff
    for name, key in (("volume", "volume: {}"), ("number", 'issue: "{}"'), ("year", "year: {}")):
        assert key.format(paper[name]) in cff
    assert paper["pages"] == "--".join(re.search(r"start: (\d+)\s+end: (\d+)", cff).groups())  # type: ignore[union-attr]


def test_every_reference_of_the_registry_has_one_entry() -> None:
    for statement in theorems.statements():
        papers = [r for r in statement.references if not r.startswith("theorems/THEORY.md")]
        assert len(references(statement)) == len(papers) + 1, statement.id


def test_every_statement_can_be_cited() -> None:
    for statement in theorems.statements():
        tex = theorems.cite(statement)
        well_formed(tex)
        assert statement.latex in tex
        assert cited(tex) <= set(re.findall(r"@\w+\{([^,]+),", theorems.cite(statement, "bibtex")))
        assert statement.title in theorems.cite(statement, "text").replace("\n", " ")
        assert json.loads(theorems.cite(statement, "json"))["id"] == statement.id
    assert all(part in theorems.cite("T2") for part in ("H1: the model", "R2: the graph", r"\cite{ChemnitzEngel2025}", r"$X_{\lim}$ is"))
    assert r"\textbf{False}" in theorems.cite("F-jsr")
    assert verify.cite(library.load(ONE_CONE)) in theorems.cite("E6'")


# --- the library ------------------------------------------------------------------------------------------------------------------------------------


def test_the_index_is_up_to_date() -> None:
    assert library.INDEX.read_text() == library.index(), "run python -m theorems.library"
    assert {library.FOLDER / entry.file for entry in library.LIBRARY} <= set(FILES)
    assert {f"{s.id.replace(chr(39), '-prime')}.json" for s in theorems.statements() if s.instances} <= {path.name for path in FILES}
    ids = [library.load(path)["id"] for path in FILES]
    assert len(set(ids)) == len(ids)
    assert all(id in library.INDEX.read_text() for id in ids)
    known = set(theorems.ids())
    assert all(q in known or q.startswith(("README", "notebook", "THEORY.md")) for entry in library.LIBRARY for q in entry.quoted)


def test_the_library_proves_what_it_is_there_for() -> None:
    def claims(name: str) -> list[Any]:
        return verify.check(library.load(library.FOLDER / name))

    assert [s.sign for s in claims("islands.json")].count("negative") >= 2
    ends = [c["subject"]["step_size"] for c in library.load(library.FOLDER / "stability-set.json")["claim"]["all"]]
    assert ends[0][0] == "0"
    assert ends[-1][1] == "inf"
    gaps = [(Fraction(a[1]), Fraction(b[0])) for a, b in pairwise(ends) if a[1] != b[0]]
    assert len(gaps) == 1
    assert gaps[0][1] - gaps[0][0] <= Fraction(1, 1000)
    balls = verify.check_balls(library.load(library.FOLDER / "balls/pollicott.json"))
    assert balls.hi - balls.lo <= Fraction(1, 10**100)


@pytest.mark.parametrize("file", ["one-cone.json", "notebook-03.json", "iris-four.json"])
def test_quick_certificates_are_proved_anew(file: str) -> None:
    entry = next(entry for entry in library.LIBRARY if entry.file == file)
    made = entry.prove()
    assert made is not None
    assert {(s.quantity, s.sign) for s in verify.check(made)} == {(s.quantity, s.sign) for s in verify.check(library.load(library.FOLDER / file))}


def test_recheck_all(run, monkeypatch, tmp_path) -> None:
    code, out, err = run("recheck", "--all")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"{len(FILES)} of {len(FILES)} certificates accepted"
    bad = library.FOLDER / "balls/pollicott.json"
    broken = library.load(ONE_CONE)
    broken["claim"]["relation"] = ">"
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "broken.json").write_text(json.dumps(samples.resealed(broken)))
    (folder / "good.json").write_text(ONE_CONE.read_text())
    monkeypatch.setattr(library, "FOLDER", folder)
    monkeypatch.setattr(library, "files", lambda: sorted(folder.glob("*.json")))
    code, out, err = run("recheck", "--all", "--json")
    answer = json.loads(out)
    assert (code, err, answer["accepted"], answer["rejected"]) == (1, "", 1, 1)
    assert [(row["file"], row["accepted"]) for row in answer["certificates"]] == [("broken.json", False), ("good.json", True)]
    for path in folder.glob("*.json"):
        path.unlink()
    assert run("recheck", "--all")[0] == 1  # no evidence is never success
    assert bad.is_file()


def with_coq(monkeypatch, verdict) -> list[Path]:
    """A stand-in for coqc and the Coq export, which have tests of their own; returns the folders that the library was compiled into."""
    compiled: list[Path] = []

    def to_coq(certificate: Any) -> str:
        if "all" in certificate["claim"]:
            raise InputError("the Coq library does not cover conjunctions; it covers other things")
        return f"(* {certificate['id']} *)"

    module = types.ModuleType("verify.certificate.coq")
    module.__dict__.update(to_coq=to_coq, check_with_coqc=lambda _, __: verdict, compile_library=lambda folder: compiled.append(folder) or folder)
    monkeypatch.setitem(sys.modules, "verify.certificate.coq", module)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return compiled


def test_recheck_with_coq_counts_what_is_not_covered(run, monkeypatch) -> None:
    compiled = with_coq(monkeypatch, (True, ""))
    monkeypatch.setattr(library, "files", lambda: [ONE_CONE, library.FOLDER / "E6-prime.json", FILES[-1]])
    code, out, _ = run("recheck", "--all", "--coq", "--json")
    answer = json.loads(out)
    assert (code, answer["coq_accepted"], answer["coq_rejected"], answer["coq_not_covered"]) == (0, 1, 0, 2)
    assert len(compiled) == 1
    assert "2 not covered by the Coq library: E6-prime.json (conjunctions), balls/pollicott.json (ball arithmetic)" in run("recheck", "--all", "--coq")[1]
    assert run("recheck", ONE_CONE, "--coq")[0] == 0
    assert run("recheck", library.FOLDER / "E6-prime.json", "--coq")[0] == 1
    assert run("cite", ONE_CONE, "--format", "coq")[1].startswith("(* sha256:")
    monkeypatch.setattr(library, "files", lambda: [library.FOLDER / "E6-prime.json"])
    assert run("recheck", "--all", "--coq")[0] == 1  # nothing that Coq has seen
    with_coq(monkeypatch, (False, "Error"))
    code, out, _ = run("recheck", ONE_CONE, "--coq", "--json")
    assert (code, json.loads(out)["coq"], json.loads(out)["coq_reason"]) == (1, "rejected", "Error")


def test_missing_coqc_says_what_to_install(run, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    one_line_error(run("recheck", "--all", "--coq"), "coqc", "apt-get install coq")


# --- the command -------------------------------------------------------------------------------------------------------------------------------------


def test_cite_prints_or_writes_the_same(run, tmp_path) -> None:
    out = tmp_path / "lemma.tex"
    began = time.process_time()
    code, printed, err = run("cite", ONE_CONE)
    assert time.process_time() - began < 1
    assert (code, err) == (0, "")
    assert printed == verify.cite(library.load(ONE_CONE)) + "\n"
    assert run("cite", ONE_CONE, "--output", out) == (0, "", "")
    assert out.read_text() == printed
    id = library.load(ONE_CONE)["id"]
    assert run("cite", id[:20])[1] == printed
    answer = json.loads(run("cite", ONE_CONE, "--json")[1])
    assert (answer["id"], answer["by_hand"], answer["latex"] + "\n") == (id, True, printed)
    assert "by hand: the steps" in run("cite", ONE_CONE, "--format", "text")[1]
    assert run("cite", "T2", "--format", "bibtex")[1].startswith("@article{ChemnitzEngel2025,")


def corrupted(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "bad.json"
    content = library.load(ONE_CONE) | changes
    path.write_text(json.dumps(samples.resealed(content) if "id" not in changes else content))
    return path


def test_what_is_not_accepted_is_not_cited(run, tmp_path) -> None:
    out = tmp_path / "out.tex"
    claim, proof = (library.load(ONE_CONE)[key] for key in ("claim", "proof"))
    for changes, reason in (
        ({"claim": claim | {"value": "-1"}}, "rejected"),
        ({"proof": proof | {"forms": [["2", "500"]]}}, "rejected"),
        ({"version": 3}, "knows 1 to 2"),
        ({"id": "sha256:0"}, "id does not match"),
        ({"format": "another"}, "format is not"),
    ):
        for format in FORMATS:
            one_line_error(run("cite", corrupted(tmp_path, **changes), "--format", format, "--output", out), reason)
    assert not out.exists()
    ball = library.load(library.FOLDER / "balls/pollicott.json")
    with pytest.raises(InputError, match="rejected"):
        verify.cite(ball | {"claim": ball["claim"] | {"hi": "1"}})


def test_bad_input_is_one_line(run, tmp_path) -> None:
    one_line_error(run("cite", ONE_CONE, "--format", "word"), "--format", "latex")
    one_line_error(run("cite", ONE_CONE, "--format", "bibtex", "--document"), "document")
    one_line_error(run("cite", "T22"), "T22", "did you mean")
    one_line_error(run("cite", "F-jsr-no"), "F-jsr")
    one_line_error(run("cite", "T2", "--format", "coq"), "no certificate")
    one_line_error(run("cite", "sha256:00000000"), "INDEX.md")
    one_line_error(run("cite", "sha256:0"), "too short")
    one_line_error(run("cite", tmp_path / "none.json"), "cannot be read")
    one_line_error(run("cite", ONE_CONE, "--output", tmp_path / "no" / "lemma.tex"), "folder does not exist")
    one_line_error(run("cite", ONE_CONE, "--output", tmp_path), "directory")
    one_line_error(run("cite", ONE_CONE, "--output", ONE_CONE), "overwritten")
    (tmp_path / "text.json").write_text("{")
    one_line_error(run("cite", tmp_path / "text.json"), "no certificate")
    one_line_error(run("recheck"), "--all")
    one_line_error(run("recheck", ONE_CONE, "--all"), "not both")
    assert list(tmp_path.iterdir()) == [tmp_path / "text.json"]
    with pytest.raises(InputError, match="latex, coq"):
        verify.cite(library.load(ONE_CONE), "html")
