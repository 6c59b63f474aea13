"""The figure and the terminal picture: deterministic, without a display, every threshold named, nothing overlapping."""

import io
import os
import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import pytest
from matplotlib.text import Text

from verify import SGD, Problem, Sign
from verify.report.analysis import analyse
from verify.report.curve import Curve, Line, Mark, curve
from verify.report.plot import figure, rendered, svg, write_figure
from verify.report.terminal_plot import terminal_picture


@pytest.fixture(scope="module")
def real():
    problem = Problem.from_gram([["1", "1/2", "0"], ["1/2", "2", "1/3"], ["0", "1/3", "3"]], SGD("1/2"), name="three")
    return curve(analyse(problem, time_limit=1.0), points=8)


@pytest.fixture
def crowded():
    """All kinds of marks, and thresholds that nearly coincide."""
    signs = (Sign.NEGATIVE, Sign.UNDECIDED, Sign.POSITIVE)
    lambdas = tuple(Mark(0.1 * k, 0.1 * k - 0.5, 0.1 * k - 0.55, 0.1 * k - 0.45, ("enclosure", "sign", "none")[k % 3], signs[k % 3]) for k in range(1, 11))
    mus = tuple(Mark(0.1 * k, 0.2 * k - 0.8, 0.2 * k - 0.8, 0.2 * k - 0.8, "enclosure", Sign.NEGATIVE) for k in range(1, 11))
    lines = tuple(Line(0.8 + 0.001 * k - 0.02 * (k == 3), 0.8 + 0.001 * k + 0.02 * (k == 3), f"threshold {k}", bool(k % 2)) for k in range(5))
    return Curve("a title", lambdas, mus, lines, 0.8015, 1.0)


def test_the_curve_spans_every_threshold(real):
    assert all(0 < line.eta < real.end for line in real.lines)
    assert {line.name.split(",")[0] for line in real.lines} == {"2/max K_ii", "eta_ms", "SGD", "GD", "eta_det"}
    assert [line.eta for line in real.lines] == sorted(line.eta for line in real.lines)
    assert any(mark.eta == real.step_size for mark in real.lambdas)
    low, high = real.vertical_range
    assert low < 0 < high


def test_a_wide_bracket_is_shown_as_one():
    assert Line(0.5, 0.5, "x", True).label == "x: 0.5"
    assert Line(0.4, 0.6, "x", False).label == "x: 0.4 to 0.6 (estimate)"


def test_estimates_are_not_drawn_as_proofs(real):
    kinds = {mark.proof for mark in real.lambdas}
    assert kinds == {"sign", "none"} or kinds == {"sign"}  # N = 3: no two-sided proofs
    assert all(mark.hi > mark.lo for mark in real.lambdas)


def test_svg_is_deterministic_and_dateless(crowded, tmp_path):
    text = svg(crowded)
    assert text == svg(crowded)
    assert "<dc:date>" not in text
    ElementTree.fromstring(text)
    write_figure(crowded, tmp_path / "f.svg")
    assert (tmp_path / "f.svg").read_text(encoding="utf-8") == text


def test_no_two_texts_overlap_and_none_is_cut_off(crowded, real):
    for one in (crowded, real):
        drawn = figure(one)
        drawn.canvas.draw()
        ticks = {label for axes in drawn.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
        texts = [t for t in set(drawn.findobj(match=Text)) - ticks if t.get_text().strip() and t.get_visible()]
        signs = {"\N{MINUS SIGN}", "+", "?", "0"}
        boxes = [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text() not in signs]
        assert len(boxes) > 10
        for (a, box), (b, other) in combinations(boxes, 2):
            assert not box.overlaps(other), (a, b)
        width, height = drawn.get_size_inches() * drawn.dpi
        for text, box in boxes:
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= width, text
            assert box.y1 <= height, text


def test_kinds_of_marks_differ_by_fill(crowded):
    drawn = figure(crowded)
    labels = [text.get_text() for text in drawn.axes[0].get_legend().get_texts()]
    assert len(labels) == len(set(labels)) == 4
    assert any("estimate" in label for label in labels)


def test_png_for_looking_at_it(crowded):
    assert rendered(crowded, "png").startswith(b"\x89PNG")


def test_the_terminal_picture_is_bounded_ascii(crowded, real):
    for one in (crowded, real):
        for columns in (20, 60, 80, 200):
            text = terminal_picture(one, columns)
            assert text.isascii()
            assert "\x1b" not in text
            picture = [line for line in text.splitlines() if "|" in line]
            assert max(map(len, picture)) <= max(41, min(columns, 100))
        for line in one.lines:
            assert line.name in text
    for character in "#*o+":
        assert character in terminal_picture(crowded, 80)


def test_no_display_and_no_global_state():
    code = (
        "import sys; from verify.report.plot import svg; from verify.report.curve import Curve, Mark; from verify import Sign\n"
        "mark = Mark(0.5, -0.1, -0.2, 0.0, 'none', Sign.UNDECIDED)\n"
        "import matplotlib; before = dict(matplotlib.rcParams)\n"
        "svg(Curve('t', (mark,), (), (), 0.5, 1.0))\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"} | {"MPLBACKEND": "TkAgg"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_analyse_with_a_figure(tmp_path, capsys):
    from verify.cli import main

    path = tmp_path / "p.toml"
    path.write_text('gram = [["1", "1/2"], ["1/2", "1"]]\n[optimiser]\nkind = "sgd"\nstep_size = "1"\n')
    assert main(["analyse", str(path), "--figure", str(tmp_path / "f.svg"), "--time-limit", "1"]) == 0
    out = capsys.readouterr().out
    assert "# lambda, proved enclosure" in out
    assert "\x1b" not in out
    ElementTree.parse(io.BytesIO((tmp_path / "f.svg").read_bytes()))
