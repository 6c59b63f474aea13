"""The page of `report`: self-contained, well formed, deaf to hostile names, its pictures true to the certificates, its certificates accepted."""

import base64
import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest
from html_structure import Structure

from verify import SGD, GradientDescent, Problem, check
from verify.certificate.format import claim, seal
from verify.cli import main
from verify.report.html import report as module
from verify.report.html.cones import drawings
from verify.report.html.pages import sentence, typeset
from verify.report.html.report import report
from verify.result import as_float

HOSTILE = "</title><script>alert('x')</script>\"'><img src=x onerror=alert(1)> lambda & K_ii $\\frac$ {{ x }} {% y %}"
PLAIN = '[optimiser]\nkind = "sgd"\nstep_size = "101/100"\n'


@pytest.fixture(scope="module")
def made():
    """A report with every part, of a problem with a hostile name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "POINTS", 3)
        problem = Problem.from_gram([["1", "1/2"], ["1/2", "2"]], SGD("101/100"), name=HOSTILE + "\udc80\x00")
        return report(problem, f"a b/{HOSTILE}.toml", time_limit=2.0)


def test_well_formed_and_self_contained(made):
    page = Structure(made.html)
    assert page.faults == []
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.tags.count("svg") >= 4
    assert {"main", "nav", "header", "footer", "figure", "math", "h2"} <= set(page.tags)
    assert len(made.html.encode()) < 2_000_000
    assert all(link.startswith("data:application/json;base64,") for link in page.links)
    assert '<html lang="en">' in made.html


def test_the_parser_of_these_tests_finds_faults():
    faulty = '<html><h1>a</h1><h3 id="x">b</h3><p id="x" onclick="f()"><img src="http://e.org/a.png"><a href="#gone">c</a><a href="javascript:f()">d</a></html>'
    found = " ".join(Structure(faulty).faults)
    for word in ("level 3", "twice", "onclick", "src", "gone", "javascript", "closes"):
        assert word in found


def test_hostile_names_are_text(made):
    assert HOSTILE in "".join(Structure(made.html).texts)
    assert "<script" not in made.html
    assert "onerror=alert(1)>" not in made.html


def test_it_says_what_analyse_says(made):
    assert made.decided
    text = re.sub(r"\s+", " ", "".join(Structure(made.html).texts))
    for words in ("is negative", "proved", "H2 rank", "is assumed", "R2 connected graph", "2/max", "eta_det", "SGD can find w*"):
        assert words.replace("eta_det", "ηdet") in text
    assert "Statistics" in text or "statistics, not a proof" in text


def test_the_embedded_certificates_are_accepted_and_named(made):
    links = Structure(made.html).links
    assert len(links) == len(made.certificates) >= 4
    for link, (name, id) in zip(links, made.certificates, strict=True):
        certificate = json.loads(base64.b64decode(link.partition(",")[2]))
        assert certificate["id"] == id
        assert id in made.html
        assert f'download="{name}"' in made.html
        assert check(certificate)


def test_a_certificate_that_is_too_large_is_not_carried(monkeypatch):
    monkeypatch.setattr(module, "EMBEDDED", 100)
    found = report(Problem.from_gram([["1", "0"], ["0", "1/2"]], GradientDescent("1")), "p.toml", time_limit=1.0)
    assert found.certificates
    assert Structure(found.html).links == []
    assert "too large to be carried" in found.html
    assert Structure(found.html).faults == []


@pytest.mark.parametrize(
    "problem",
    [
        Problem.from_matrices([[["1/2", "1"], ["0", "1/2"]], [["1/2", "0"], ["1", "1/2"]]], ["1", "2"], name="two matrices"),
        Problem.measured(np.array([[1.0, 0.5], [0.5, 2.0]]), SGD("1/2"), name="measured"),
    ],
    ids=["matrices", "measured"],
)
def test_problems_without_an_optimiser_or_exact_numbers(problem, monkeypatch):
    monkeypatch.setattr(module, "POINTS", 2)
    found = report(problem, "p.toml", time_limit=0.5)
    assert Structure(found.html).faults == []
    assert ("Nothing on this page is proved" in found.html) == (not problem.is_exact)
    assert found.decided == problem.is_exact


def test_the_picture_of_the_cone_by_hand():
    """E6': cone (9, 16), (-1, 16), h = 7s + 8t, computed here from the definition."""
    subject = {"optimiser": "sgd", "gram": [["1", "1/2"], ["1/2", "2"]], "step_size": "101/100", "batch": 1, "replacement": True}
    proof = {"kind": "planar-forms", "degree": 1, "rho": "1", "cones": [[["9", "16"], ["-1", "16"]]], "forms": [["7", "8"]], "trees": [[["=", 0, 0]]]}
    certificate = seal([(claim(subject, "lambda", "<", Fraction(0)), proof)])
    assert [one.sign for one in check(certificate)] == ["negative"]
    found = drawings(certificate)
    assert [(one.relation, one.degree, len(one.cones), len(one.arcs)) for one in found] == [("<", 1, 1, 1)]
    k, eta = np.array([[1, 0.5], [0.5, 2]]), 1.01
    steps = [np.eye(2) - eta * np.outer(k[:, i], np.eye(2)[i]) for i in (0, 1)]
    frame = np.linalg.cholesky(k)
    cone = np.array([[9, -1], [16, 16]])
    for one in found:
        for arc in one.arcs:
            v = arc.v @ frame.T  # residual coordinates again
            h = [np.abs(np.linalg.solve(cone, a @ v.T).T @ [7, 8]) for a in (np.eye(2), *steps)]
            expected = 0.5 * np.log(h[1]) + 0.5 * np.log(h[2]) - np.log(h[0])
            assert np.allclose(arc.residual, expected, atol=1e-9)
            assert np.ptp(np.log(h[0]) - arc.log_h) < 1e-9
            assert arc.residual.max() < 0
        assert np.allclose(one.gradients @ one.gradients.T, k)
        assert one.samples == (0, 1)


def test_residuals_do_not_cross_the_bounds_and_a_false_bound_is_seen():
    result = Problem.from_gram([["1", "2"], ["2", "5"]], SGD("1/2")).lyapunov("1/1000")
    found = drawings(result.certificate)
    assert {one.upper for one in found} == {True, False}
    for one in found:
        values = np.concatenate([arc.residual for arc in one.arcs])
        assert values.size > 100
        assert (values <= as_float(one.value) + 1e-9).all() if one.upper else (values >= as_float(one.value) - 1e-9).all()
        assert not (values <= as_float(one.value) - 0.01).all() if one.upper else not (values >= as_float(one.value) + 0.01).all()
    assert math.isclose(as_float(found[0].value), as_float(found[1].value), abs_tol=1e-3)


def test_huge_integers_are_drawn():
    certificate = json.loads(json.dumps(Problem.from_gram([["1", "2"], ["2", "5"]], SGD("1/2")).lyapunov("1/100").certificate))
    parts = certificate["proof"].get("parts", [certificate["proof"]])
    plain = drawings(certificate)
    for part in parts:
        part["cones"] = [[[str(int(x) * 10**400) for x in e] for e in cone] for cone in part["cones"]]
        part["forms"] = [[str(int(c) * 10**900) for c in form] for form in part["forms"]]
    for one, other in zip(plain, drawings(certificate), strict=True):
        assert all(np.allclose(a.residual, b.residual, atol=1e-9) for a, b in zip(one.arcs, other.arcs, strict=True))


def test_words_are_typeset_and_escaped():
    assert typeset("lambda <= eta K_ii & <b>") == "λ ≤ η <var>K<sub>ii</sub></var> &amp; &lt;b&gt;"
    assert typeset("r_(n-1), eta_det, lambdas, x^2") == "<var>r<sub>n-1</sub></var>, <var>η<sub>det</sub></var>, lambdas, x<sup>2</sup>"
    assert sentence("mu is zero") == "μ is zero."
    assert sentence("so it is.") == "So it is."


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(f'gram = [["1", "1/2"], ["1/2", "2"]]\n{PLAIN}')
    return path


def test_bad_input_is_one_line_and_writes_nothing(toml, tmp_path, capsys):
    model = tmp_path / "model.toml"
    model.write_text(f'model = "product"\ninputs = ["1"]\npoint = ["2", "1/2"]\n{PLAIN}')
    before = sorted(tmp_path.iterdir())
    out = str(tmp_path / "out.html")
    cases = [
        (["report", str(toml)], "--html"),
        (["report", str(toml), "--html", str(tmp_path)], "is a directory"),
        (["report", str(toml), "--html", str(tmp_path / "no" / "out.html")], "does not exist"),
        (["report", str(toml), "--html", "/proc/out.html"], "cannot be written"),
        (["report", str(toml), "--html", str(toml)], "input itself"),
        (["report", str(tmp_path / "gone.toml"), "--html", out], "does not exist"),
        (["report", str(model), "--html", out], "simulate"),
        (["report", str(toml), "--html", out, "--time-limit", "0"], "positive number"),
        (["report", str(toml), "--html", ""], "empty"),
    ]
    for arguments, words in cases:
        assert main(arguments) == 2, arguments
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert words in shown.err, arguments
    assert sorted(tmp_path.iterdir()) == before


def test_the_command(toml, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "POINTS", 2)
    toml.write_text('gram = [["1", "0"], ["0", "1"]]\n[optimiser]\nkind = "gd"\nstep_size = "1"\n')
    assert main(["report", str(toml), "--html", str(tmp_path / "o.html"), "--json", "--time-limit", "1"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bytes"] == (tmp_path / "o.html").stat().st_size
    assert answer["decided"] is True
    assert all(one["id"].startswith("sha256:") for one in answer["certificates"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.html", "p.toml"]
