"""Real runs of linear problems: verdicts against certified signs, the statistics behind them, precision, floors, and what must not pass."""

import math
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, GradientDescent, InputError, Problem, Sign, load_problem
from verify.simulate import evidence as evidence_module
from verify.simulate import simulate
from verify.simulate.dynamics import components, parts_of
from verify.simulate.evidence import Growth, Plan, bernstein, decide, kappa
from verify.simulate.floats import coarse, replicate
from verify.simulate.precise import digits_for, drawn, residuals
from verify.simulate.rigorous import vanishing_word

E6 = [["1", "1/2"], ["1/2", "2"]]
THIRTEEN = [["1", "3"], ["3", "10"]]
THREE = [["1", "1/2", "0"], ["1/2", "2", "1/3"], ["0", "1/3", "3"]]
SAID = {Sign.NEGATIVE: "converges", Sign.POSITIVE: "diverges"}

CASES = {
    "one cone (E6')": Problem.from_gram(E6, SGD("101/100")),
    "above the threshold": Problem.from_gram(E6, SGD("11/10")),
    "not an interval, 1/5 (E6'')": Problem.from_gram(THIRTEEN, SGD("1/5")),
    "not an interval, 4/5": Problem.from_gram(THIRTEEN, SGD("4/5")),
    "not an interval, 10001/10000": Problem.from_gram(THIRTEEN, SGD("10001/10000")),
    "not an interval, 6/5": Problem.from_gram(THIRTEEN, SGD("6/5")),
    "renewal (E8)": Problem.from_gram(E6, SGD("1")),
    "orthogonal, unstable (E14)": Problem.from_gram([[1, 0], [0, 2]], SGD("101/100")),
    "three, batch 2 without replacement": Problem.from_gram(THREE, SGD("9/10", 2, False)),
    "three, batch 2 with replacement, large": Problem.from_gram(THREE, SGD("3", 2)),
    "weights, E3": Problem.from_gram([[1, 0], [0, 2]], SGD("1/2", weights=[9, 1])),
    "gradient descent, below": Problem.from_gram(E6, GradientDescent("3/2")),
    "gradient descent, above": Problem.from_gram(E6, GradientDescent("2")),
    "singular K": Problem.from_features([[1, 0], [2, 0], [1, 1]], SGD("1/3")),
    "bare matrices": Problem.from_matrices([[["1/2", 1], [0, "1/2"]], [["1/3", 0], [1, "1/3"]]]),
    "random Fibonacci": Problem.from_matrices([[[0, 1], [1, 1]], [[0, 1], [1, -1]]]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_the_certified_sign(name):
    certified = CASES[name].lyapunov(estimate=False).sign
    found = simulate(CASES[name], seed=1)
    assert certified in SAID
    assert found.verdict == SAID[certified], found
    assert found.error_probability in (0.0, 1e-6)


@pytest.mark.parametrize(
    ("name", "arithmetic"),
    [("one cone (E6')", "arb"), ("orthogonal, unstable (E14)", "exact"), ("orthogonal, unstable (E14)", "arb"), ("bare matrices", "exact")],
)
def test_replicas_without_round_off_agree(name, arithmetic):
    found = simulate(CASES[name], arithmetic=arithmetic, time_limit=20)
    assert found.verdict == SAID[CASES[name].lyapunov(estimate=False).sign]
    assert found.arithmetic == arithmetic
    floats = simulate(CASES[name], arithmetic="float")
    assert abs(found.rate - floats.rate) <= 2 * (found.rate_half_width + floats.rate_half_width)


@pytest.mark.parametrize(
    "problem",
    [
        Problem.from_gram([["1", "1/2"], ["1/2", "1"]], SGD("2")),  # reflections, E7 at the threshold
        Problem.from_gram([[1, 0], [0, 2]], SGD("1", weights=[1, 1])).at("1"),  # c_1 = 1 is killed, c_2 = 2 is a reflection: lambda = 0 (E5')
        Problem.from_matrices([[[2]], [["1/2"]]]),  # a symmetric walk
        Problem.from_matrices([[["3/5", "-4/5"], ["4/5", "3/5"]]]),  # a rotation
        Problem.from_gram([[2]], GradientDescent("1")),
    ],
)
def test_at_zero_the_answer_is_undecided(problem):
    for seed in range(3):
        found = simulate(problem, seed=seed, time_limit=1.0)
        assert found.verdict == "undecided"
        assert found.error_probability is None
        assert found.model.startswith("none")


def test_near_the_threshold_it_does_not_guess():
    found = simulate(Problem.from_gram(E6, SGD("1050825/1000000")), time_limit=0.5)
    assert found.verdict == "undecided"
    assert "leave the sign of lambda open" in found.reason


def test_error_probability_is_kept_where_both_verdicts_are_wrong():
    walk = Problem.from_matrices([[[2]], [["1/2"]]])
    parts = parts_of(walk)
    said = [decide(parts, replicate, Plan(32, 16, looks=4), 0.3, perf_counter() + 10, seed).verdict for seed in range(200)]
    assert 200 - said.count("undecided") <= 0.3 * 200


def test_a_broken_bound_is_noticed_by_the_same_count(monkeypatch):
    """Without its margins the test guesses, and the count above says so."""
    monkeypatch.setattr(evidence_module, "bernstein", lambda *_: 0.0)
    monkeypatch.setattr(evidence_module, "student", lambda *_: 0.0)
    parts = parts_of(Problem.from_matrices([[[2]], [["1/2"]]]))
    said = [decide(parts, replicate, Plan(32, 16, looks=4), 0.3, perf_counter() + 10, seed).verdict for seed in range(100)]
    assert 100 - said.count("undecided") > 0.3 * 100


def rotated_pair():
    """diag(2, 4999/10000) and its mirror image in a skew basis: both exponents are log(9998/10000)/2 < 0, but the larger of two walks grows like sqrt(n)."""
    a, b = "124995/100000", "75005/100000"
    return Problem.from_matrices([[[a, b], [b, a]], [[a, f"-{b}"], [f"-{b}", a]]])


def test_round_off_that_joins_invariant_lines_is_not_divergence():
    """In doubles the line that lags by 37 nats is fed by round-off, and the product seems to grow; the run in single precision tells."""
    problem = rotated_pair()
    assert simulate(problem, time_limit=1.5).verdict != "diverges"
    fooled = decide(parts_of(problem), replicate, Plan(2048, 2048, looks=2), 1e-6, perf_counter() + 30, 0)
    assert fooled.verdict == "diverges"
    told = decide(parts_of(problem), replicate, Plan(2048, 2048, looks=1), 1e-6, perf_counter() + 30, 0, coarse=coarse)
    assert told.verdict == "undecided"


def larger_of_two_walks(_part, replicas, horizon, seed):
    """log of the larger of two products with exponent -1e-4, exactly: |X_n| - n / 10^4 with X a simple random walk."""
    rng = np.random.default_rng(seed)
    quarter, half = horizon // 4, horizon // 2
    steps = [2.0 * rng.binomial(n, 0.5, replicas) - n for n in (quarter, half - quarter, horizon - half)]
    logs = [np.abs(sum(steps[: k + 1])) - 1e-4 * n for k, n in enumerate((quarter, half, horizon))]
    return Growth(logs[2] / horizon, (logs[1] - logs[0]) / (half - quarter), (logs[2] - logs[1]) / (horizon - half))


def test_growth_that_has_not_forgotten_its_start_is_not_divergence(monkeypatch):
    part = replace(parts_of(rotated_pair())[0], low=-1.1, high=1.1)
    plan = Plan(4096, 1024, looks=7)

    def said(seed):
        return decide([part], larger_of_two_walks, plan, 1e-6, perf_counter() + 20, seed).verdict

    assert all(said(seed) == "undecided" for seed in range(5))
    lower = evidence_module._lower  # without the allowance for drift the mean growth fools the test
    monkeypatch.setattr(evidence_module, "_lower", lambda part, g, *rest: lower(part, Growth(g.whole, g.after, g.after), *rest))
    assert said(0) == "diverges"


def test_orthogonal_samples_are_run_apart():
    """Two equal exponents just below zero: together their growth is the larger of two walks."""
    problem = Problem.from_gram([[1, 0], [0, 1]], SGD("1999/1000"))
    assert [part.members for part in parts_of(problem)] == [(0,), (1,)]
    assert simulate(problem, time_limit=1.0).verdict != "diverges"


def test_a_product_that_is_exactly_zero_is_seen_and_a_float_zero_is_not_evidence():
    found = simulate(Problem.from_gram(THIRTEEN, SGD("1")))
    assert (found.verdict, found.error_probability, found.rate, found.arithmetic) == ("converges", 0.0, -math.inf, "exact")
    assert "exact arithmetic" in found.model
    assert found.course.points[-1, 0] < found.course.steps  # log 0 is left out
    part = parts_of(CASES["above the threshold"])[0]

    def underflown(_part, replicas, _horizon, _seed):
        return Growth(*np.full((3, replicas), -math.inf))

    answer = decide([part], underflown, Plan(64, 16), 1e-6, perf_counter() + 1, 0)
    assert answer.verdict == "undecided"
    assert answer.zero


def test_vanishing_words_need_a_word_that_vanishes():
    for problem in (Problem.from_gram(E6, SGD("1")), CASES["above the threshold"]):
        assert [vanishing_word(problem, part, 0) for part in parts_of(problem)] == [None]
    alive = Problem.from_matrices([[[1, 1], [0, 0]], [[1, 0], [0, "1/2"]]])
    assert sorted(str(vanishing_word(alive, part, 0)) for part in parts_of(alive)) == ["1", "None"]
    assert simulate(alive, time_limit=0.5).verdict == "undecided"  # (1, 0) is fixed by every step: lambda = 0
    assert simulate(Problem.from_matrices([[[0, 1], [0, 0]], [[1, 1], [0, 1]]])).error_probability == 0.0  # the square of the first is zero


def test_decay_to_e_minus_1000_is_seen_where_double_precision_stops():
    found = simulate(load_problem("example:iris-pair"))
    course = found.course
    assert course.arithmetic == "arb"
    assert course.points[-1, 1] < -1000
    assert course.digits > 1000 / math.log(10)
    assert course.coordinates.startswith("weights")
    assert found.floor.hit
    assert -40 < found.floor.value < -30
    assert course.plain[-1, 1] < -25  # stuck, or exactly zero
    assert course.plain[np.isfinite(course.plain[:, 1]), 1].min() > -60
    slope = course.points[-1, 1] / course.points[-1, 0]
    assert abs(slope - found.rate) < 0.1 * abs(found.rate)


def test_above_the_threshold_a_run_grows_at_the_rate_of_the_replicas():
    found = simulate(CASES["above the threshold"])
    (_, first), (n, last) = found.trajectory[0], found.trajectory[-1]
    assert last - first > 900
    assert abs((last - first) / n - found.rate) < 0.2 * found.rate
    assert not found.floor.hit


def test_exact_and_ball_runs_are_the_same_run():
    exact = simulate(load_problem("example:iris-pair"), steps=300, arithmetic="exact", time_limit=0.2).course
    ball = simulate(load_problem("example:iris-pair"), steps=300, arithmetic="arb", time_limit=0.2).course
    double = simulate(load_problem("example:iris-pair"), steps=300, arithmetic="float").course
    assert exact.digits is None
    assert np.array_equal(exact.points[:, 0], ball.points[:, 0])
    assert np.abs(exact.points - ball.points).max() < 1e-5
    above = exact.points[:, 1] > -15
    assert np.abs(exact.points[above] - double.points[: len(exact.points)][above]).max() < 1e-4


def test_the_precision_is_measured_not_hoped_for():
    assert digits_for(lambda n, digits: digits - 0.5 * n, 10_000) > 5000
    assert digits_for(lambda _n, digits: digits, 10_000) == 60
    system = residuals(((1, 0), (0, 1)), SGD("1/2"))
    assert len(list(system.run([1.0, 1.0], [(0,), (1,)], "float"))) == 2


def test_a_run_is_a_function_of_its_seed():
    one, two, other = (simulate(CASES["one cone (E6')"], seed=seed, steps=500) for seed in (5, 5, 6))
    assert one == two
    assert np.array_equal(one.trajectory, two.trajectory)
    assert one.rate != other.rate
    assert not np.array_equal(one.trajectory, other.trajectory)
    assert one.steps == 500


def test_draws_follow_the_scheme():
    rng = np.random.default_rng(0)
    sets = drawn(SGD("1", 2, False), 4, 4000, rng)
    assert all(len(set(batch)) == 2 for batch in sets)
    counts = np.bincount([i for batch in sets for i in batch], minlength=4) / 8000
    assert np.abs(counts - 0.25).max() < 0.03
    weighted = drawn(SGD("1", weights=[3, 1]), 2, 8000, rng)
    assert abs(sum(i for (i,) in weighted) / 8000 - 0.25) < 0.03
    assert drawn(GradientDescent("1"), 3, 2, rng) == [(0, 1, 2)] * 2


def test_the_kernel_draws_weights_and_batches_rightly():
    """Orthogonal gradients have exact exponents (E3): weights, and batches with and without replacement, in the compiled steps."""
    for optimiser in (SGD("1/2", weights=[9, 1]), SGD("1/2", 2), SGD("1/2", 2, False)):
        problem = Problem.from_gram([[1, 0, 0], [0, 3, 0], [0, 0, 2]] if optimiser.weights is None else [[1, 0], [0, 3]], optimiser)
        exact = problem.lyapunov("1e-6")
        growths = [replicate(part, 4096, 64, 3) for part in parts_of(problem)]
        best = max(growths, key=lambda growth: growth.whole.mean())
        error = 5 * best.whole.std() / math.sqrt(4096) + 1e-6
        assert float(exact.lo) - error <= best.whole.mean() <= float(exact.hi) + error


def test_kappa_and_the_bernstein_bound():
    assert kappa(1) == 0
    assert kappa(2) == pytest.approx(math.log(2))
    assert kappa(3) == pytest.approx(1.0)  # |v_1| is uniform on [0, 1]
    rng = np.random.default_rng(0)
    misses = sum(rng.random(50).mean() + bernstein(rng.random(50), 1.0, 0.1) < 0.5 for _ in range(300))
    assert misses <= 30


def test_components_and_one_step_bounds():
    minimum = Problem.from_gram([[1, 0, 1], [0, 0, 0], [1, 0, 5]], SGD("1")).minimum
    assert components(minimum) == [[0, 2]]
    (part,) = parts_of(CASES["above the threshold"])
    assert part.high == pytest.approx(math.log(1.2))
    assert part.low == pytest.approx(math.log(0.1))
    growth = replicate(part, 256, 32, 0)
    assert part.low <= growth.whole.min()
    assert growth.whole.max() <= part.high


def test_unsolvable_labels_and_huge_steps_give_no_verdict():
    found = simulate(Problem.from_features([[1, 0], [1, 0]], SGD("1/2"), labels=[0, 1]))
    assert found.verdict == "undecided"
    assert "no solution" in found.reason
    huge = simulate(Problem.from_gram([[10**200]], SGD("1")))
    assert huge.verdict == "undecided"
    assert "double precision" in huge.reason


def test_ill_conditioned_and_measured_kernels():
    close = Problem.from_gram([["1", "999999999999/1000000000000"], ["999999999999/1000000000000", "1"]], SGD("21/10"))
    assert simulate(close).verdict == "diverges"  # E7: equal norms above 2
    measured = Problem.measured(np.array([[1, 0.5], [0.5, 2]]), SGD("11/10"))
    found = simulate(measured)
    assert found.verdict == "diverges"
    assert found.course.arithmetic == "float"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"steps": 3}, "steps"),
        ({"steps": True}, "steps"),
        ({"seed": -1}, "seed"),
        ({"error_probability": 0.7}, "error_probability"),
        ({"error_probability": 0}, "error_probability"),
        ({"arithmetic": "double"}, "arithmetic"),
        ({"time_limit": 0}, "time_limit"),
        ({"arithmetic": "exact", "steps": 6000}, "longest exact run"),
    ],
)
def test_bad_arguments_teach(options, word):
    with pytest.raises(InputError, match=word):
        simulate(CASES["one cone (E6')"], **options)


def test_bad_problems_teach():
    with pytest.raises(InputError, match=r"verify\.Problem"):
        simulate([[1]])
    with pytest.raises(InputError, match="measured"):
        simulate(Problem.measured(np.eye(2), SGD("1")), arithmetic="exact")


small = st.integers(1, 6)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(a=small, d=small, b=st.integers(-5, 5), eta=st.fractions("1/10", 3, max_denominator=10), batch=st.integers(1, 2), replacement=st.booleans())
def test_no_run_contradicts_a_certified_sign(a, d, b, eta, batch, replacement):
    if b * b >= a * d:
        b = 0
    problem = Problem.from_gram([[a, b], [b, d]], SGD(eta, batch, replacement))
    found = simulate(problem, time_limit=0.5)
    certified = problem.lyapunov(estimate=False, time_limit=1.0).sign
    assert found.verdict in ("undecided", SAID.get(certified, "undecided" if certified is Sign.ZERO else found.verdict)), (problem, found)


@pytest.mark.parametrize("rare", ["1/10000000", "1/100000"])
def test_a_rare_singular_step_that_was_not_drawn_is_no_evidence(rare: str) -> None:
    """c = (1, 4): sample 1 makes the residual zero, so lambda = -infinity, however rarely it is drawn."""
    line = Problem.from_features([["1"], ["2"]], SGD("1", weights=[rare, "1"]))
    plane = Problem.from_gram([["1", "1/2"], ["1/2", "5"]], SGD("1", weights=[rare, "1"]))
    assert simulate(line, time_limit=0.5).verdict != "diverges"
    assert simulate(plane, time_limit=0.5, steps=64).verdict != "diverges"
