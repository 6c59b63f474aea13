"""`sgd-verify simulate`: exit codes, stable keys, figures, models."""

import json

import pytest

from verify import SGD, Problem
from verify.cli import main
from verify.report.simulation_plot import figure, rendered, slope
from verify.simulate import simulate

KEYS = {
    "problem", "verdict", "reason", "error_probability", "model", "rate", "rate_half_width", "confidence", "steps", "replicas", "total_steps", "arithmetic",
    "seed", "trajectory", "floor", "slope", "figure",
}  # fmt: skip
MODEL = 'model = "two-layer-linear"\nhidden = 1\ninputs = [["1", "0"], ["1", "1"]]\npoint = ["2", "1/2", "1"]\n[optimiser]\nkind = "sgd"\nstep_size = "{}"\n'
LADDER = '[ladder]\nradii = ["1/10", "1/1000"]\nstarts = 20\nsteps = 3000\n'


@pytest.fixture
def ran(capsys):
    def command(*arguments):
        code = main(["simulate", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


def test_json_is_stable_and_reproducible(ran):
    code, out, err = ran("example:one-cone", "--steps", 1000, "--seed", 4, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert set(answer) == KEYS
    assert answer["verdict"] == "converges"
    assert answer["error_probability"] == 1e-6
    assert answer["steps"] == answer["trajectory"]["steps"] == 1000
    assert len(answer["trajectory"]["points"]) <= 401
    assert ran("example:one-cone", "--steps", 1000, "--seed", 4, "--json")[1] == out
    assert ran("example:one-cone", "--steps", 1000, "--seed", 5, "--json")[1] != out


def test_text_names_the_error_the_model_and_the_floor(ran):
    code, out, _ = ran("example:iris-pair", "--steps", 1500, "--arithmetic", "float")
    assert code == 0
    for words in ("converges", "wrong with probability at most 1e-06", "not a proof", "model", "hit at step", "double precision"):
        assert words in " ".join(out.split())


def test_undecided_is_exit_code_1(ran, tmp_path):
    path = tmp_path / "zero.toml"
    path.write_text('gram = [["1", "1/2"], ["1/2", "1"]]\n[optimiser]\nkind = "sgd"\nstep_size = "2"\n')
    code, out, err = ran(path, "--steps", 500, "--json", "--time-limit", "0.5")
    assert (code, err) == (1, "")
    answer = json.loads(out)
    assert answer["verdict"] == "undecided"
    assert answer["error_probability"] is None


def test_the_figure_distinguishes_a_certified_slope(ran, tmp_path):
    out = tmp_path / "run.svg"
    code, text, _ = ran("example:one-cone", "--steps", 2000, "--figure", out, "--json")
    assert code == 0
    answer = json.loads(text)
    assert answer["figure"] == str(out)
    assert answer["slope"]["certified"] is True
    assert out.read_text().startswith("<?xml")
    first = out.read_bytes()
    ran("example:one-cone", "--steps", 2000, "--figure", out)
    assert out.read_bytes() == first


def test_labels_of_the_figure():
    problem = Problem.from_gram([["1", "1/2"], ["1/2", "2"]], SGD("11/10"))
    found = simulate(problem, steps=2000)
    certified = problem.lyapunov("1/1000", estimate=False)
    assert slope(found, certified).certified
    assert not slope(found, None).certified
    sign_only = Problem.from_gram([[2, 1], [1, 2]], SGD("11/10")).lyapunov(estimate=False)
    assert sign_only.hi is None
    assert not slope(found, sign_only).certified  # a sign alone has no slope to draw
    for exponent, word in ((certified, "certified"), (None, "estimated")):
        axes = figure(found, exponent).axes[0]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert any(word in label for label in labels)
        assert any("digits" in label for label in labels)
        assert any("replicas" in label for label in labels)
        assert axes.get_xlim() == (0, 2000)
    assert rendered(found, None, "png")[:4] == b"\x89PNG"


def test_a_model_file_gives_the_ladder(ran, tmp_path):
    path = tmp_path / "model.toml"
    path.write_text(MODEL.format("3/10") + LADDER)
    code, out, err = ran(path, "--json")
    assert (code, err) == (0, "")
    ladder = json.loads(out)["ladder"]
    assert set(ladder) == {"rungs", "limits", "dropped", "near", "confidence", "steps", "seed", "t2_prime"}
    assert [rung["near"] for rung in ladder["rungs"]] == [0, 0]
    assert ladder["t2_prime"] is True
    code, out, _ = ran(path)
    assert "lambda <= 0 at every limit" in out
    assert ran(path, "--steps", 5)[0] == 1  # nothing has ended: no evidence


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["missing.toml"], "does not exist"),
        (["example:one-cone", "--steps", "0"], "positive integer"),
        (["example:one-cone", "--steps", "3"], "steps"),
        (["example:one-cone", "--seed", "x"], "nonnegative"),
        (["example:one-cone", "--error-probability", "2"], "probability"),
        (["example:one-cone", "--figure", "a.png"], ".svg"),
        (["example:one-cone", "--arithmetic", "double"], "arithmetic"),
        (["example:one-cone", "--arithmetic", "exact", "--steps", "9000"], "longest exact run"),
    ],
)
def test_bad_input_is_one_line(ran, arguments, word):
    code, out, err = ran(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert word in err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('model = "relu"\n', "model = 'relu'"),
        (MODEL.format("1").replace("hidden = 1", "hiden = 1"), "hidden"),
        (MODEL.format("1").replace('"2", "1/2", "1"', '"2", "foo(1)", "1"'), r"point[1]"),
        (MODEL.format("1") + "[ladder]\nradius = 1\n", "ladder.radius"),
        (MODEL.format("1").replace('["1", "1"]]', '["1"]]'), "inputs"),
        ('model = "product"\ninputs = ["1", "2"]\npoint = ["1", "1"]\n[optimiser]\nkind = "gd"\nstep_size = "1"\n', "one number"),
    ],
)
def test_bad_models_are_one_line(ran, tmp_path, text, word):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    code, out, err = ran(path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert word in err
