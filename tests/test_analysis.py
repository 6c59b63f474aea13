"""The main job: golden properties of the analysis, not golden text. Values with a closed form are compared with it."""

import math
import random
from fractions import Fraction

import pytest

import verify
from verify import SGD, GradientDescent, Problem, Sign
from verify.report.analysis import analyse, threshold_width
from verify.report.point import evaluate, is_two_sided
from verify.report.sweep import COLUMNS, step_sizes, sweep, table
from verify.threshold.bracket import critical_bracket
from verify.threshold.mean_square import mean_square_threshold

E6 = [["1", "1/2"], ["1/2", "2"]]
QUICK = {"time_limit": 2.0}


def statuses(analysis, statement, optimiser):
    (verdict,) = [v for v in analysis.verdicts if (v.conclusion.statement, v.optimiser) == (statement, optimiser)]
    return verdict.conclusion, {h.name.split()[0]: h.status for h in verdict.conclusion.hypotheses}


def test_the_shipped_example_shows_proofs():
    found = analyse(verify.load_problem("example:iris-four"), **QUICK)
    assert found.decided
    assert found.mu.sign is found.lambda_.sign is Sign.NEGATIVE
    assert found.lambda_.method == "nonexpansive (E5)"
    conclusion, hypotheses = statuses(found, "T2", "SGD")
    assert conclusion.verdict == "in the support"
    assert conclusion.unconditional
    assert set(hypotheses) == {"H1", "H2", "H3", "R1", "R2"}
    assert statuses(found, "T3", "SGD")[0].unconditional
    # The number beside the one-sided proof is an estimate: it never changes what is proved.
    assert found.point.number.kind == "estimate"
    assert found.point.number.sign is Sign.UNDECIDED


def test_the_order_of_the_thresholds():
    found = analyse(Problem.from_gram(E6, SGD("101/100")), **QUICK).thresholds
    assert found.bracket.lower == 1
    assert found.mean_square.certified
    assert found.sgd.certified
    assert found.bracket.lower <= found.mean_square.lo < found.mean_square.hi <= found.sgd.lo < found.sgd.hi <= found.bracket.upper[1]
    assert found.gd[0] <= 4 / (1.5 + math.sqrt(0.5)) + 1e-12
    assert "sqrt" in found.gd_expression


def test_a_gram_matrix_alone_leaves_assumptions():
    found = analyse(Problem.from_gram(E6, SGD("1/3")), thresholds=False, **QUICK)
    conclusion, hypotheses = statuses(found, "T2", "SGD")
    assert hypotheses == {"H1": "is assumed", "H2": "holds", "H3": "is assumed", "R1": "holds", "R2": "holds"}
    assert not conclusion.unconditional
    assert "if what is assumed below holds" in str(found)


@pytest.mark.parametrize(
    ("features", "optimiser", "failing"),
    [
        ([["1", "0"], ["1", "2"]], SGD("1"), {"H3", "R1"}),
        ([["1", "0"], ["0", "2"]], SGD("1/5"), {"R2"}),
        ([["1"], ["2"]], SGD("1/8"), {"H2"}),
    ],
)
def test_failing_hypotheses_are_named_and_no_verdict_is_given(features, optimiser, failing):
    found = analyse(Problem.from_features(features, optimiser), thresholds=False, **QUICK)
    conclusion, hypotheses = statuses(found, "T2", "SGD")
    assert {name for name, status in hypotheses.items() if status == "fails"} == failing
    assert conclusion.verdict == "no statement"
    text = str(found)
    for name in failing:
        assert f"{name} " in text
    assert "fails" in text


def test_gradient_descent_and_full_batches():
    gd = analyse(Problem.from_gram(E6, GradientDescent("1/2")), **QUICK)
    assert {v.optimiser for v in gd.verdicts} == {"GD"}
    assert gd.thresholds.sgd is None
    full = analyse(Problem.from_gram(E6, SGD("1/2", batch=2, replacement=False)), thresholds=False, **QUICK)
    assert full.lambda_.ends == gd.lambda_.ends == gd.mu.ends


def test_matrices_have_no_verdicts_and_no_thresholds():
    found = analyse(Problem.from_matrices([[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]]), **QUICK)
    assert found.mu is None
    assert found.lambda_.sign is Sign.POSITIVE
    assert found.verdicts == ()
    assert "bare matrices have none" in str(found)
    # Pollicott's positive pair.
    lo, hi = found.point.number.ends
    assert lo < Fraction("1.1433110351029492") < hi


def test_measured_kernels_yield_estimates_only():
    found = analyse(Problem.measured([[1.0, 0.5], [0.5, 2.0]], SGD("1/2")), thresholds=False, **QUICK)
    assert not found.decided
    assert found.verdicts == ()
    assert found.lambda_.kind == "estimate"
    assert "estimates only" in str(found)


def test_a_width_that_is_asked_for_counts():
    problem = Problem.from_gram(E6, SGD("101/100"))
    assert analyse(problem, "1e-3", thresholds=False, **QUICK).decided
    assert not analyse(verify.load_problem("example:iris-four"), "1e-9", thresholds=False, **QUICK).decided


def test_json_is_json():
    import json

    found = analyse(Problem.from_gram(E6, SGD("1/2")), **QUICK)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["lambda"]["sign"] == "negative"
    assert "<pre>" in found._repr_html_()


def test_the_api_s_verdicts_is_analyse():
    assert Problem.from_gram(E6, SGD("1/2")).verdicts(thresholds=False).lambda_.sign is Sign.NEGATIVE


# --- thresholds with closed forms --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", [SGD("1"), SGD("1", weights=[1, 2, 3])])
def test_equal_norms_collapse_the_bracket(optimiser):
    problem = Problem.from_gram([[3, 1, 0], [1, 3, 1], [0, 1, 3]], optimiser)
    bracket = critical_bracket(problem.minimum, problem.optimiser)
    assert bracket.lower == bracket.upper[0] == bracket.upper[1] == Fraction(2, 3)
    found = mean_square_threshold(problem)
    assert found.certified
    assert found.lo < Fraction(2, 3) < found.hi


def test_eta_det_of_two_samples():
    # |1 - eta| |1 - 2 eta| = 1 has the largest root 3/2.
    bracket = critical_bracket(Problem.from_gram(E6, SGD("1")).minimum, SGD("1"))
    assert bracket.upper[0] <= Fraction(3, 2) <= bracket.upper[1]
    assert bracket.upper[1] - bracket.upper[0] < Fraction(1, 10**10)


def test_mean_square_threshold_of_orthogonal_gradients():
    # Orthogonal gradients: each coordinate alone, eta_ms = 2/max K_ii.
    found = mean_square_threshold(Problem.from_gram([[1, 0], [0, 4]], SGD("1")))
    assert found.lo < Fraction(1, 2) < found.hi


def test_the_two_forms_of_the_mean_square_threshold_agree():
    """The N x N form of batch 1 against the d^2 x d^2 form of any batch."""
    from verify.threshold.mean_square import _dense, _scaled_gram, _single

    rng = random.Random(1)
    for _ in range(10):
        rows = [[rng.randint(-5, 5) for _ in range(4)] for _ in range(3)]
        problem = Problem.from_features(rows, SGD("1", weights=[rng.randint(1, 4) for _ in rows]))
        if not problem.minimum.independent:
            continue
        scaled, scale = _scaled_gram(problem)
        assert _single(scaled, problem) == pytest.approx(_dense(problem, scale), rel=1e-8)


def test_mean_square_threshold_of_batches_and_many_samples():
    batch = mean_square_threshold(Problem.from_gram(E6, SGD("1", batch=2)))
    single = mean_square_threshold(Problem.from_gram(E6, SGD("1")))
    assert batch.certified
    assert batch.lo > single.hi
    rng = random.Random(2)
    many = Problem.from_features([[rng.randint(-9, 9) for _ in range(40)] for _ in range(30)], SGD("1"))
    found = mean_square_threshold(many)
    assert not found.certified
    assert 2 / max(many.minimum.diagonal) <= found.hi


@pytest.mark.parametrize("scale", ["1e-200", "1e200"])
def test_thresholds_scale_with_the_kernel(scale):
    s = Fraction(scale)
    problem = Problem.from_gram([[Fraction(x) * s for x in row] for row in E6], SGD("1"))
    reference = mean_square_threshold(Problem.from_gram(E6, SGD("1")))
    assert float(mean_square_threshold(problem).lo * s) == pytest.approx(float(reference.lo), rel=1e-4)
    assert 0 < threshold_width(problem) <= Fraction(1, 10**6)


# --- points and sweeps -------------------------------------------------------------------------------------------------------------------------


def test_a_point_has_a_two_sided_number():
    for problem in (Problem.from_gram(E6, SGD("1/2")), Problem.from_gram([[2, 1, 0], [1, 3, 1], [0, 1, 4]], SGD("1/3"))):
        point = evaluate(problem, **QUICK)
        assert point.decided
        assert is_two_sided(point.number)


def test_a_step_size_beyond_doubles_has_a_sign_and_no_number():
    point = evaluate(Problem.from_gram(E6, SGD("1e400")), **QUICK)
    assert point.lambda_.sign is Sign.POSITIVE
    assert point.mu.sign is Sign.POSITIVE


def test_step_sizes_are_exact():
    assert step_sizes("1/10", "3/10", 3) == (Fraction(1, 10), Fraction(1, 5), Fraction(3, 10))
    for bad in (("1", "2", 0), ("2", "1", 2), ("1", "2", 1), ("1", "2", True), (0.1, 1, 2)):
        with pytest.raises(verify.InputError):
            step_sizes(*bad)


def test_a_table_has_as_many_cells_as_columns():
    points = list(sweep(Problem.from_gram(E6, SGD("1")), step_sizes("1/10", "1", 2), value_width=Fraction(1, 10), **QUICK))
    lines = table(points).splitlines()
    assert [line.count(",") for line in lines] == [len(COLUMNS) - 1] * 3
    assert lines[1].startswith("1/10,")
