"""What SGD selects: rows of limits, batch sharpness, T2' on tables (true and fabricated ones), rank correlations."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from verify import InputError

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import interpolate  # noqa: E402
from verify.network.correlation import holm, rank_correlations  # noqa: E402
from verify.network.selection import SELECTION_COLUMNS, Selection, SelectionTask, selected, selection_run, selection_seconds, t2_prime  # noqa: E402
from verify.network.selection import _Case as Case  # noqa: E402
from verify.network.training import Trained  # noqa: E402

TASK = SelectionTask(options='{"width": 8}', size=6, step_size="1/8", steps=12_000, held_out=50)
TYPES = {"float": float, "int": int, "str": str, "bool": bool}


@pytest.fixture(scope="module")
def found() -> Selection:
    return selected(TASK, range(4), along=5)


@pytest.fixture(scope="module")
def unstable() -> tuple[Case, SelectionTask, Any]:
    """A minimum, and the task at a step size 1.3 times 2/min K_ii there: lambda > 0 by E4."""
    case = Case.of(TASK)
    w = interpolate(case.network, case.targets).w
    eta = Fraction(2.6 / np.diag(case.network.gram(w)).min()).limit_denominator(1000)
    return case, replace(TASK, step_size=str(eta)), w


def test_limits_of_sgd_have_lambda_at_most_zero(found: Selection) -> None:
    verdict = t2_prime(found.limits)
    assert verdict.verdict == "consistent"
    assert verdict.consistent >= 3
    assert str(verdict).startswith("consistent with lambda <= 0")
    for row in found.limits:
        assert row["outcome"] == "converged"
        assert row["residual"] <= 1e-14
        assert row["moved"] < 1e-6
        assert row["lambda"] + row["half_width"] < 0
        assert row["eta_first"] <= row["eta_ms"] * (1 + 1e-9) <= row["eta_star"] + row["eta_star_width"]
        assert row["eta"] < row["eta_star"] + row["eta_star_width"]
        assert "H1: holds" in row["hypotheses"]
        assert "H3: is assumed" in row["hypotheses"]


def test_rows_have_stable_columns_and_types(found: Selection) -> None:
    for row in [*found.limits, selection_run(replace(TASK, steps=1)), selection_run(replace(TASK, step_size="100"))]:
        columns = {name: row[name] for name in SELECTION_COLUMNS}
        for name, value in columns.items():
            assert value is None or type(value) is TYPES[SELECTION_COLUMNS[name]], name
            assert value == value, name


def test_runs_that_do_not_converge_say_why_and_are_no_evidence() -> None:
    short, wild = selection_run(replace(TASK, steps=1)), selection_run(replace(TASK, step_size="100"))
    assert short["outcome"] == "not converged"
    assert "after 100 steps" in short["reason"]
    assert (wild["outcome"], wild["residual"], wild["lambda"]) == ("diverged", None, None)
    verdict = t2_prime([short, wild])
    assert verdict.verdict == "undecided"
    assert verdict.inapplicable == {"not converged": 1, "diverged": 1}


def test_a_fabricated_limit_with_positive_lambda_is_inconsistent_with_t2(found: Selection) -> None:
    wrong = found.limits[0] | {"lambda": 0.02, "half_width": 0.01}
    verdict = t2_prime([*found.limits, wrong])
    assert (verdict.verdict, verdict.inconsistent) == ("inconsistent", 1)
    assert "1 have lambda > 0" in str(verdict)


def test_an_interval_around_zero_is_undecided_and_relu_does_not_count(found: Selection) -> None:
    row = found.limits[0]
    assert t2_prime([]).verdict == "undecided"
    assert t2_prime([row | {"lambda": 0.001, "half_width": 0.01}]).undecided == 1
    relu = t2_prime([row | {"stands": False, "hypotheses": "H1: fails (kinks)"}])
    assert relu.inapplicable == {"H1: fails (kinks)": 1}
    assert relu.verdict == "undecided"


def test_a_run_that_rests_at_an_unstable_minimum_is_seen_to_leave(unstable: tuple[Case, SelectionTask, Any]) -> None:
    """Rounding alone could pass off such a minimum as a limit: below the float floor the run grows again, and it does not count."""
    case, task, w = unstable
    resting = Trained(w[None], np.array([1e-12]), np.array([1000]), ("",), np.zeros((1, 1)), 100)
    row = case.limit(task, resting, 0, None)
    assert row["lambda"] - row["half_width"] > 0
    assert (row["outcome"], row["reason"]) == ("not converged", "it comes close to a minimum with lambda > 0 and leaves it again")
    assert not case._leaves(replace(task, step_size="1/1000"), w)


def test_a_run_that_ends_where_there_is_no_minimum_is_no_limit(unstable: tuple[Case, SelectionTask, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    case, task, w = unstable
    monkeypatch.setattr("verify.network.selection.INTERPOLATED", -1.0)
    row = case.limit(task, Trained(w[None], np.array([1e-9]), np.array([100]), ("",), np.zeros((1, 1)), 100), 0, None)
    assert row["outcome"] == "not converged"
    assert row["reason"].startswith("there is no minimum beside its end")


def test_relu_networks_are_measured_but_t2_is_silent() -> None:
    row = selection_run(replace(TASK, options='{"activation": "relu", "width": 16}'))
    assert row["outcome"] == "converged"
    assert row["lambda"] < 0
    assert "H1: fails (kinks)" in row["hypotheses"]
    assert t2_prime([row]).verdict == "undecided"


def test_batch_sharpness_of_batch_one_at_a_limit_is_the_mean_of_k(found: Selection) -> None:
    """g_S is parallel to g_i and H_S to g_i g_i^T up to the residual."""
    for row in found.limits:
        assert row["batch_sharpness"] == pytest.approx(row["trace"] / TASK.size, rel=1e-3)


def test_batch_sharpness_by_hand(unstable: tuple[Case, SelectionTask, Any]) -> None:
    """With residuals r and the Hessian of F left out (next to a minimum): (r_S^T K_SS^2 r_S) / (B r_S^T K_SS r_S), for all samples."""
    case, task, w = unstable
    w = w + 1e-6 * np.random.default_rng(0).standard_normal(len(w))
    k, r = case.network.gram(w), case.network.values(w)[:, 0] - case.targets[:, 0]
    kr = k @ r
    expected = kr @ kr / (r @ kr) / case.network.size
    full = replace(task, optimiser="gd")
    assert case.batch_sharpness(full, w) == pytest.approx(expected, rel=1e-3)
    assert case.batch_sharpness(replace(task, batch=6, replacement=False), w) == pytest.approx(expected, rel=1e-3)
    pairs = [(a, b) for a in range(6) for b in range(6) if a != b]
    blocks = [(k[np.ix_(s, s)], r[list(s)]) for s in pairs]
    quotients = [v @ m @ m @ v / (v @ m @ v) / 2 for m, v in blocks]
    everything = case.batch_sharpness(replace(task, batch=6), w)  # with replacement: another law than all six samples once
    assert everything != pytest.approx(expected, rel=1e-3)
    assert min(quotients) < case.batch_sharpness(replace(task, batch=2, replacement=False), w) < max(quotients)


def test_the_convention_of_the_loss_is_followed(found: Selection) -> None:
    """Half the step size of the squared loss makes the same steps, so the same limits."""
    other = selected(replace(TASK, loss="squared", step_size="1/16"), range(4)).limits
    factors = {"eta_star": 0.5, "eta_ms": 0.5, "eta_first": 0.5, "lambda": 1, "mu": 1, "batch_sharpness": 2, "test_loss": 2, "trace": 1}
    for one, two in zip(found.limits, other, strict=True):
        for name, factor in factors.items():
            assert two[name] == pytest.approx(factor * one[name], rel=1e-6), name


def test_rows_along_training_start_at_the_start_and_approach_the_limit(found: Selection) -> None:
    for seed, limit in enumerate(found.limits):
        rows = [row for row in found.course if row["init_seed"] == seed]
        assert rows[0]["step"] == 0
        assert len(rows) >= 3
        assert all(a["step"] < b["step"] for a, b in pairwise(rows))
        assert rows[-1]["residual"] < 0.1 * rows[0]["residual"]
        assert rows[-1]["trace"] == pytest.approx(limit["trace"], rel=0.05)
        assert {"batch_sharpness", "lambda", "half_width", "mu", "kappa_max", "frobenius", "eta_first", "train_loss", "test_loss", "test_error"} <= set(rows[0])


def test_a_run_is_a_function_of_its_task() -> None:
    task = pickle.loads(pickle.dumps(replace(TASK, steps=6000)))
    assert task == replace(TASK, steps=6000, options={"width": 8})  # type: ignore[arg-type]
    first, second = selection_run(task), pickle.loads(pickle.dumps(selection_run))(task)
    assert first == second
    assert pickle.loads(pickle.dumps(first)) == first
    assert selection_seconds([task]) > 0


def test_gradient_descent_and_vector_outputs_are_rows_too() -> None:
    row = selection_run(SelectionTask(options='{"width": 8}', data="digits-ten", size=2, optimiser="gd", step_size="1/10", held_out=20, steps=4000))
    assert row["outcome"] == "converged"
    assert row["lambda"] == pytest.approx(row["mu"])
    assert row["eta_ms"] is None
    assert 0 <= row["test_error"] <= 1
    assert row["eta_star"] == pytest.approx(2 * 2 / row["kappa_max"], rel=1e-2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"architecture": "lstm"}, "architecture = 'lstm' is not known"),
        ({"optimiser": "adam"}, "optimiser = 'adam' is not known; write one of sgd, gd, reshuffled"),
        ({"size": 0}, "size = 0 is not an integer from 1"),
        ({"steps": 1.5}, "steps = 1.5 is not an integer"),
        ({"init_seed": -1}, "init_seed = -1 is not an integer from 0"),
        ({"data": "iris"}, "data = 'iris' is not known"),
        ({"held_out": 10_000}, "held_out = 10000 is not an integer"),
        ({"step_size": 0.1}, "step_size"),
        ({"step_size": "-1"}, "step_size"),
        ({"loss": "l1"}, "loss = 'l1' is not known"),
        ({"options": "[1]"}, r"options = '\[1\]' is not a table"),
        ({"options": "{"}, "options = '{' is not a table"),
        ({"batch": 9, "replacement": False, "size": 8}, "batch = 9 is larger than"),
        ({"optimiser": "reshuffled", "batch": 3, "size": 8}, "batch = 3 does not divide"),
    ],
)
def test_bad_tasks_are_explained(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        SelectionTask(**arguments)


def table(groups: int, runs: int, within: float, between: float, noise: float = 0.3) -> list[dict[str, Any]]:
    """Rows with an outcome y = within * x + noise inside groups whose centres follow y = between * x."""
    rng = np.random.default_rng(0)
    rows = []
    for g in range(groups):
        for x in rng.standard_normal(runs):
            rows.append({"group": g, "x": 10 * g + x, "noise": rng.standard_normal(), "y": 10 * between * g + within * x + noise * rng.standard_normal()})
    return rows


def test_rank_correlations_agree_with_scipy() -> None:
    from scipy.stats import kendalltau

    rows = table(3, 10, 1.0, 0.5)
    rows[0]["x"] = rows[1]["x"]  # a tie
    for found, name in zip(rank_correlations(rows, "y", ("x", "noise"), within=(), resamples=200), ("x", "noise"), strict=True):
        assert found.tau == pytest.approx(kendalltau([r[name] for r in rows], [r["y"] for r in rows]).statistic)


def test_only_runs_of_the_same_group_are_compared() -> None:
    """Within groups y falls with x, between them it grows."""
    rows = table(4, 12, -1.0, 1.0)
    (pooled,), (inside, noise) = (rank_correlations(rows, "y", names, within=by, resamples=400) for names, by in ((("x",), ()), (("x", "noise"), ("group",))))
    assert pooled.tau > 0.5
    assert inside.tau < -0.5
    assert inside.interval[0] <= inside.tau <= inside.interval[1] < 0
    assert inside.adjusted < 0.05 < noise.adjusted
    assert noise.interval[0] < 0 < noise.interval[1]
    assert noise.lead[0] > 0  # x, the first measure, ranks y better than noise does
    assert "tau = " in str(inside)


def test_p_values_of_independent_measures_are_uniform_enough() -> None:
    rng, small = np.random.default_rng(1), 0
    for _ in range(40):
        rows = [{"x": a, "y": b} for a, b in rng.standard_normal((12, 2))]
        small += rank_correlations(rows, "y", ("x",), within=(), resamples=99)[0].p_value <= 0.2
    assert 1 <= small <= 18


def test_holm() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_correlations_need_runs_to_compare(found: Selection) -> None:
    rows = [{"x": 1.0, "y": 2.0, "group": 0}, {"x": 2.0, "y": None, "group": 0}, {"x": 3.0, "y": 1.0, "group": 1}]
    with pytest.raises(InputError, match="no two of the 2 rows with finite numbers agree in group"):
        rank_correlations(rows, "y", ("x",), within=("group",))
    (constant,) = rank_correlations([{"x": 1.0, "y": float(i)} for i in range(4)], "y", ("x",), within=(), resamples=50)
    assert (constant.tau, constant.p_value) == (0.0, 1.0)
    assert len(rank_correlations(found.limits, resamples=50)) == 7
