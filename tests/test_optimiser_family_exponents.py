"""Exponents and thresholds with momentum, weight decay, reshuffled epochs and vector outputs: certificates against closed forms, eigenvalues and simulation."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import resealed

from verify import SGD, GradientDescent, InputError, Problem, Sign, check, closed_form
from verify.certificate import Rejected
from verify.exponent.gradient_descent import gd_threshold
from verify.exponent.montecarlo import DescentProblem, descent_growth, descent_threshold
from verify.minimum import Minimum
from verify.optimiser import Optimiser, Reshuffled
from verify.result import Enclosure, Estimate, Exponent
from verify.symbolic import SymbolicProblem

PAIR = [["1", "1/2"], ["1/2", "2"]]
THREE = [["1", "1/2", "1/5"], ["1/2", "2", "1/10"], ["1/5", "1/10", "3/2"]]
FOUR = [["1", "1/2", "1/5", "0"], ["1/2", "2", "1/10", "3/10"], ["1/5", "1/10", "3/2", "-2/5"], ["0", "3/10", "-2/5", "1"]]
PARALLEL = [["1", "2"], ["2", "4"]]  # rank one: heavy ball acts on the plane


def floats(rows: Any) -> Any:
    return np.array([[float(Fraction(x)) for x in row] for row in rows])


def direct(problem: Problem, steps: int = 1500, chains: int = 300, seed: int = 1) -> tuple[float, float]:
    """(lambda, tolerance) by moving residuals as the definition says, with shuffles and draws of NumPy."""
    minimum, o = problem.exact
    rng, k, q, size = np.random.default_rng(seed), floats(minimum.gram), minimum.outputs, minimum.size
    eta, beta, omega = float(o.step_size), float(o.momentum), float(o.weight_decay)
    batch, every = getattr(o, "batch", size), np.arange(chains)
    r = k @ rng.standard_normal((len(k), chains))
    before, total, order = r.copy(), np.zeros(chains), np.zeros((size, chains), int)
    for t in range(steps + steps // 4):
        if isinstance(o, SGD) and o.replacement:
            p = None if o.weights is None else np.array([float(w) for w in o.weights]) / float(sum(o.weights))
            chosen = rng.choice(size, size=(batch, chains), p=p)
        else:
            place = t % (size // batch) if isinstance(o, Reshuffled) else 0
            order = rng.permuted(np.tile(np.arange(size)[:, None], chains), axis=0) if place == 0 else order
            chosen = order[place * batch : (place + 1) * batch]
        m = np.zeros((len(k), chains))
        for row in chosen:
            for a in range(q):
                m[row * q + a, every] += 1
        r, before = (1 - eta * omega + beta) * r - eta / batch * k @ (m * r) - beta * before, r
        norm = np.sqrt((r**2).sum(axis=0) + bool(beta) * (before**2).sum(axis=0))
        r, before = r / norm, before / norm
        total += np.log(norm) * (t >= steps // 4)
    rates = total / steps
    return float(rates.mean()), float(4.5 * rates.std() / math.sqrt(chains) + 3 / steps)


SEARCHES = ("planar sandwich (S4, S5)", "simplicial sandwich (S4)", "mean square (E11)", "words")


def minimum_dimension(problem: Problem) -> int:
    return problem.exact[0].rank * (2 if problem.exact[1].momentum else 1)


CASES: list[tuple[Any, int, Optimiser, str]] = [
    (PAIR, 1, SGD("1/2", momentum="1/2"), "negative"),
    (PAIR, 1, SGD("1", weight_decay="1/10"), "negative"),
    (PAIR, 1, Reshuffled("9/10"), "negative"),
    (PAIR, 1, Reshuffled("6/5"), "positive"),
    (PAIR, 1, Reshuffled("1/3", 1, "1/2", "1/5"), "negative"),
    (THREE, 1, Reshuffled("9/10"), "negative"),
    (FOUR, 1, Reshuffled("6/5", 2), "negative"),
    (FOUR, 2, SGD("1/2"), "negative"),
    (FOUR, 2, SGD("2"), "positive"),
    (FOUR, 2, SGD("9/10", 2, weights=[1, 3], momentum="3/10"), "negative"),
    (FOUR, 2, SGD("9/10", 2, False, momentum="3/10"), "negative"),
    (FOUR, 2, Reshuffled("1/3", 1, "1/5"), "negative"),
    (FOUR, 1, SGD("6/5", weights="kaczmarz"), "positive"),
    (PARALLEL, 1, SGD("6/5", momentum="3/10"), "positive"),
    (PARALLEL, 1, SGD("1/5", weight_decay="1", momentum="1/2"), "negative"),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_proof_simulation_and_kernel_agree(case: int) -> None:
    gram, q, optimiser, sign = CASES[case]
    problem = Problem.from_gram(gram, optimiser, outputs=q)
    centre, slack = direct(problem)
    estimate = descent_growth(DescentProblem.build(*problem.exact), float(optimiser.step_size), steps=500_000, threads=1, seed=case)
    assert abs(estimate.value - centre) < 1.5 * estimate.half_width + slack
    planar = minimum_dimension(problem) <= 2
    proved = problem.lyapunov("1e-3" if planar else None, time_limit=4.0, estimate=False)
    assert proved.sign.value in (sign, "undecided")
    assert sign == ("negative" if centre < 0 else "positive")
    lo, hi = proved.ends
    assert lo is None or float(lo) <= estimate.value + 1.5 * estimate.half_width
    assert hi is None or float(hi) >= estimate.value - 1.5 * estimate.half_width
    if isinstance(proved, Enclosure) and proved.certificate is not None:
        assert check(proved.certificate)
    if case not in (12,):  # four samples: for the methods of higher dimension
        assert proved.sign.value == sign


def test_planar_cases_have_two_sides() -> None:
    """Two parallel gradients with momentum; two samples reshuffled, or with decay."""
    for problem in (
        Problem.from_gram(PARALLEL, SGD("6/5", momentum="3/10")),
        Problem.from_gram(PAIR, Reshuffled("6/5")),
        Problem.from_gram(PAIR, SGD("1", weight_decay="1/10")),
    ):
        found = problem.lyapunov("1e-3", estimate=False)
        assert isinstance(found, Enclosure)
        assert found.width is not None
        assert found.width <= Fraction(1, 10**3)


# --- gradient descent --------------------------------------------------------------------------------------------------------------------------


def spectral(gram: Any, eta: float, beta: float, omega: float) -> float:
    k = floats(gram)
    s = (1 + beta - eta * omega) * np.eye(len(k)) - eta / len(k) * k
    block = np.block([[s, -beta * np.eye(len(k))], [np.eye(len(k)), np.zeros_like(k)]]) if beta else s
    return math.log(max(np.abs(np.linalg.eigvals(block))))


@given(
    st.sampled_from([PAIR, THREE, FOUR]),
    st.fractions(Fraction(1, 20), 6, max_denominator=30),
    st.sampled_from(["0", "1/4", "1/3", "9/10"]),
    st.sampled_from(["0", "1/7", "2"]),
)
@settings(max_examples=60, deadline=None)
def test_mu_of_the_heavy_ball(gram: Any, eta: Fraction, beta: str, omega: str) -> None:
    problem = Problem.from_gram(gram, GradientDescent(eta, beta, omega))
    found = problem.mu()
    assert isinstance(found, Enclosure)
    truth = spectral(gram, float(eta), float(Fraction(beta)), float(Fraction(omega)))
    lo, hi = found.ends
    assert lo is not None
    assert hi is not None
    assert float(lo) - 1e-7 <= truth <= float(hi) + 1e-7
    assert found.certificate is not None
    assert check(found.certificate)
    assert problem.lyapunov(estimate=False).sign is found.sign  # E2


@pytest.mark.parametrize(("eta", "beta", "omega"), [("3", "1/3", "1/7"), ("1/10", "9/10", "0"), ("3", "1/4", "0"), ("4", "1/9", "1/5")])
def test_mu_against_the_closed_form_and_nested_precisions(eta: str, beta: str, omega: str) -> None:
    problem = Problem.from_gram(PAIR, GradientDescent(eta, beta, omega))
    formula = closed_form(SymbolicProblem.of(problem)).mu.enclosure(digits=60)  # type: ignore[union-attr]
    outer: Exponent | None = None
    for width in ("1e-10", "1e-30", "1e-50"):
        found = problem.mu(width)
        assert found is not None
        lo, hi = found.ends
        assert lo is not None
        assert hi is not None
        assert hi - lo <= Fraction(width)
        assert lo <= formula[1]
        assert formula[0] <= hi
        if outer is not None:
            assert outer.ends[0] is not None
            assert outer.ends[1] is not None
            assert lo <= outer.ends[1]
            assert outer.ends[0] <= hi
        outer = found


def test_special_values_of_mu() -> None:
    diagonal = [["2", "0"], ["0", "1"]]
    at = Problem.from_gram(diagonal, GradientDescent("5/2", "1/4"))  # |1 + beta - eta kappa/N| = 1 + beta
    assert at.mu().sign is Sign.ZERO  # type: ignore[union-attr]
    assert at.threshold("1e-6").lo == at.threshold("1e-6").hi == Fraction(5, 2)
    half = Problem.from_gram(diagonal, GradientDescent("1", "1/4")).mu()  # all |x| <= 2 sqrt(beta): the modulus is sqrt(beta), rational here
    assert half.expression == "log(1/2)"  # type: ignore[union-attr]
    root = Problem.from_gram(diagonal, GradientDescent("1", "1/3")).mu()
    assert root.expression == "log(1/3)/2"  # type: ignore[union-attr]
    ended = Problem.from_gram([["2", "0"], ["0", "2"]], GradientDescent("1/2", 0, "1"))  # 1 - eta (omega + kappa/N) = 0
    assert ended.mu().expression == "-oo"  # type: ignore[union-attr]
    edge = Problem.from_gram([["1"]], GradientDescent("2", "1/4", "1/4")).mu()  # |x| = 2 beta^(1/2) up to rounding of nothing: 5/4 - 5/2
    assert edge is not None
    assert edge.sign is Sign.POSITIVE if float(edge.ends[0] or 0) > 0 else Sign.NEGATIVE


def test_gd_threshold_with_everything() -> None:
    minimum, optimiser = Minimum.from_gram(THREE), GradientDescent("1", "2/3", "1/5")
    lo, hi, _ = gd_threshold(minimum, Fraction(1, 10**12), optimiser)
    kappa = max(np.linalg.eigvalsh(floats(THREE)))
    assert float(lo) <= 2 * (5 / 3) / (kappa / 3 + 0.2) + 1e-9
    assert float(hi) >= 2 * (5 / 3) / (kappa / 3 + 0.2) - 1e-9
    problem = Problem.from_gram(THREE, optimiser)
    assert (problem.at(lo).mu().sign, problem.at(hi).mu().sign) == (Sign.NEGATIVE, Sign.POSITIVE)  # type: ignore[union-attr]
    assert problem.threshold("1e-9").certified


def test_large_gradient_descent_with_momentum() -> None:
    rng = np.random.default_rng(3)
    features = [[str(x) for x in row] for row in rng.integers(-9, 9, size=(49, 49)).tolist()]
    problem = Problem.from_features(features, GradientDescent("1/50", "1/2", "1/10"))
    truth = spectral(problem.exact[0].gram, 0.02, 0.5, 0.1)
    found = problem.mu()
    assert found is not None
    lo, hi = found.ends
    assert found.sign.value == ("negative" if truth < 0 else "positive")
    assert lo is None or float(lo) - 1e-7 <= truth
    assert hi is None or truth <= float(hi) + 1e-7


# --- cross-checks of lambda --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eta", "beta", "omega"), [("1", "1/2", "0"), ("3", "1/2", "1/3"), ("5", "1/3", "0"), ("1/3", "3/4", "2")])
def test_one_sample_heavy_ball_is_the_closed_form(eta: str, beta: str, omega: str) -> None:
    problem = Problem.from_gram([["1"]], SGD(eta, momentum=beta, weight_decay=omega))
    found, formula = problem.lyapunov("1e-9", estimate=False), closed_form(SymbolicProblem.of(problem)).lambda_
    low, high = formula.enclosure(digits=30)  # type: ignore[union-attr]
    assert found.ends[0] is not None
    assert found.ends[1] is not None
    assert found.ends[0] <= high
    assert low <= found.ends[1]
    assert formula.certified() is not None  # type: ignore[union-attr]


@pytest.mark.parametrize(("eta", "omega"), [("6/5", "1/20"), ("1/4", "1/2")])
@pytest.mark.parametrize("scheme", [{}, {"weights": [1, 3]}, {"batch": 2, "replacement": False}])
def test_weight_decay_is_a_larger_step_size_and_a_factor(eta: str, omega: str, scheme: Any) -> None:
    """lambda_omega(eta) = log(1 - eta omega) + lambda(eta/(1 - eta omega)): two searches, two certificates."""
    rest = 1 - Fraction(eta) * Fraction(omega)
    with_decay = Problem.from_gram(PAIR, SGD(eta, weight_decay=omega, **scheme)).lyapunov("1e-4", estimate=False)
    without = Problem.from_gram(PAIR, SGD(Fraction(eta) / rest, **scheme)).lyapunov("1e-4", estimate=False)
    assert with_decay.ends[0] is not None
    assert with_decay.ends[1] is not None
    assert without.ends[0] is not None
    assert without.ends[1] is not None
    shift = math.log(rest)
    assert float(with_decay.ends[0]) <= float(without.ends[1]) + shift + 1e-12
    assert float(without.ends[0]) + shift <= float(with_decay.ends[1]) + 1e-12


def test_weight_decay_beyond_eta_omega_one() -> None:
    """At eta omega = 1 steps have rank one, lambda = log eta + sum p_i p_j log |K_ij|; above it there is no step size to reduce to, but a family."""
    at = Problem.from_gram(PAIR, SGD("1/2", weight_decay="2"))
    found, formula = at.lyapunov("1e-6", estimate=False), closed_form(SymbolicProblem.of(at)).lambda_
    assert formula.expression is not None  # type: ignore[union-attr]
    truth = math.log(0.5) + (2 * math.log(0.5) + math.log(2)) / 4
    assert abs(float(formula.enclosure()[0]) - truth) < 1e-9  # type: ignore[union-attr, arg-type]
    lo, hi = found.ends
    assert lo is None or float(lo) <= truth + 1e-9
    assert hi is None or truth <= float(hi) + 1e-9
    above = Problem.from_gram(PAIR, SGD("1", weight_decay="3/2"))
    centre, slack = direct(above)
    lo, hi = above.lyapunov("1e-3", estimate=False).ends
    assert lo is None or float(lo) <= centre + slack
    assert hi is None or centre - slack <= float(hi)


def test_copies_of_a_problem_have_its_exponents() -> None:
    double = [[str(x) for x in row] for row in np.kron(np.array([[4, 2], [2, 8]]), np.eye(2, dtype=int)).tolist()]
    for eta in ("3/10", "1/3"):
        two = Problem.from_gram(double, SGD(eta), outputs=2)
        one = Problem.from_gram([["4", "2"], ["2", "8"]], SGD(eta)).lyapunov("1e-4", estimate=False)
        estimate = descent_growth(DescentProblem.build(*two.exact), float(Fraction(eta)), steps=400_000, threads=1)
        assert abs(estimate.value - float(one.ends[0] or 0)) < 1.5 * estimate.half_width + 1e-4
        proved = two.lyapunov(estimate=False, without=SEARCHES[:2])
        assert proved.sign in (one.sign, Sign.UNDECIDED)


def test_elementary_facts_stay_where_they_are_proved() -> None:
    """All c_i < 2 and yet lambda > 0: weight decay takes room away. c = 5/2 and yet lambda < 0: momentum gives room. No fact for plain SGD may speak here."""
    identity, alike = [["1", "0"], ["0", "1"]], [["1", "1"], ["1", "1"]]
    decay = Problem.from_gram(alike, SGD("39/20", weight_decay="3/10"))
    assert decay.lyapunov(estimate=False).sign is Sign.POSITIVE
    heavy = Problem.from_gram([["1"]], SGD("5/2", momentum="1/2")).lyapunov(estimate=False)
    assert heavy.sign is Sign.NEGATIVE
    beyond = [Problem.from_gram(PAIR, optimiser) for optimiser in (SGD("1", momentum="1/2"), Reshuffled("2"))]
    for problem in (decay, *beyond, Problem.from_gram(FOUR, SGD("2"), outputs=2)):
        tried = {attempt.method: attempt.outcome for attempt in problem.lyapunov(estimate=False, without=SEARCHES).tried}
        for name in ("orthogonal gradients (E3)", "equal norms (E7)", "boundary (E5')"):
            assert tried.get(name, "plain").find("plain") >= 0
    for kind in ("boundary", "equal-norms", "orthogonal"):
        certificate = Problem.from_gram(identity, SGD("9/10")).lyapunov(estimate=False).certificate  # type: ignore[union-attr]
        forged = json.loads(json.dumps(certificate))
        forged["claim"] = (forged["claim"]["all"][0] if "all" in forged["claim"] else forged["claim"]) | {"relation": "<", "value": "0"}
        forged["claim"]["subject"]["weight_decay"] = "2"
        forged["proof"] = {"kind": kind}
        with pytest.raises(Rejected):
            check(resealed(forged))


@pytest.mark.parametrize("case", [1, 3, 9, 13])
def test_a_certificate_speaks_of_its_own_optimiser(case: int) -> None:
    """The same proof for another momentum, decay or batch is refused, or the claim holds there as well; the id is part of it."""
    gram, q, optimiser, _ = CASES[case]
    found = Problem.from_gram(gram, optimiser, outputs=q).lyapunov(estimate=False)
    assert isinstance(found, Enclosure)
    assert found.certificate is not None
    tampered = json.loads(json.dumps(found.certificate))
    subject = (tampered["claim"]["all"][0] if "all" in tampered["claim"] else tampered["claim"])["subject"]
    subject["step_size"] = "1/100" if found.sign is Sign.POSITIVE else "50"
    with pytest.raises(Rejected, match="id"):
        check(tampered)
    with pytest.raises(Rejected):
        check(resealed(tampered))


def test_epochs_are_per_step() -> None:
    """An epoch of two steps: the family's exponent is twice lambda, ms too, and a claim of the doubled value is refused."""
    problem = Problem.from_gram(PAIR, Reshuffled("6/5"))
    found = problem.lyapunov("1e-5", estimate=False)
    bare = Problem.from_matrices([[list(map(str, row)) for row in a] for a in problem.family.matrices], problem.family.probabilities)
    whole = bare.lyapunov("1e-5", estimate=False)
    assert found.ends[0] is not None
    assert found.ends[1] is not None
    assert whole.ends[0] is not None
    assert whole.ends[1] is not None
    assert 2 * found.ends[0] <= whole.ends[1]
    assert whole.ends[0] <= 2 * found.ends[1]
    assert abs(2 * float(problem.mean_square().ends[1]) - float(bare.mean_square().ends[1])) < 1e-5  # type: ignore[arg-type]
    doubled = json.loads(json.dumps(found.certificate))  # type: ignore[union-attr]
    for one in doubled["claim"]["all"]:
        one["value"] = str(2 * Fraction(one["value"]))
    with pytest.raises(Rejected):
        check(resealed(doubled))


def test_ordered_methods_on_one_dimensional_epochs() -> None:
    """Parallel gradients, reshuffled: every epoch is the same number."""
    found = Problem.from_gram(PARALLEL, Reshuffled("1/3")).lyapunov("1e-9", estimate=False)
    truth = math.log(abs(1 - 1 / 3) * abs(1 - 4 / 3)) / 2
    assert found.ends[0] is not None
    assert found.ends[1] is not None
    assert float(found.ends[0]) <= truth <= float(found.ends[1])
    assert found.expression == "(log(2/9))/2"  # type: ignore[union-attr]


# --- thresholds --------------------------------------------------------------------------------------------------------------------------------


def test_threshold_of_weight_decay_and_of_epochs_is_certified() -> None:
    for optimiser in (SGD("1", weight_decay="1/10"), Reshuffled("1")):
        problem = Problem.from_gram(PAIR, optimiser)
        found = problem.threshold("1e-4", time_limit=10.0)
        assert found.certified
        assert found.width <= Fraction(1, 10**4)
        assert found.certificate is not None
        assert check(found.certificate)
        assert (problem.at(found.lo).lyapunov().sign, problem.at(found.hi).lyapunov().sign) == (Sign.NEGATIVE, Sign.POSITIVE)


def test_threshold_of_the_heavy_ball_is_estimated_and_says_what_is_certain() -> None:
    problem = Problem.from_gram(PAIR, SGD("1", momentum="1/2"))
    found = problem.threshold("1e-2", time_limit=3.0)
    assert not found.first
    assert not found.certified or found.certificate is not None
    assert "lambda < 0 at" in found.reason or found.certified
    low, high = (direct(problem.at(eta)) for eta in (found.lo, found.hi))
    assert low[0] < low[1]
    assert high[0] > -high[1]


def test_estimated_threshold_of_many_samples() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((24, 40)) / 6
    problem = Problem.measured(x @ x.T, SGD("1", momentum="1/2"), outputs=2)
    build = DescentProblem.build(problem.minimum, problem.optimiser)  # type: ignore[arg-type]
    lo, hi, _ = descent_threshold(build, lo=0.3, hi=6.0, width=0.05, time_limit=20.0, threads=1)
    assert hi - lo <= 0.05
    assert descent_growth(build, lo - 0.1, steps=300_000, threads=1).sign == -1
    assert descent_growth(build, hi + 0.1, steps=300_000, threads=1).sign == 1


# --- many samples ------------------------------------------------------------------------------------------------------------------------------


def test_large_problems_have_estimates_and_elementary_proofs() -> None:
    rng = np.random.default_rng(4)
    rows = [[str(x) for x in row] for row in rng.integers(-2, 3, size=(60, 60)).tolist()]
    largest = max(sum(int(x) ** 2 for x in row) for row in rows)
    below = Problem.from_features(rows, Reshuffled(Fraction(19, 10 * largest)))
    assert below.lyapunov(time_limit=2.0).sign is Sign.NEGATIVE  # E5: no batch expands, so no epoch does
    above = Problem.from_features(rows, Reshuffled(Fraction(4, largest), 4, "1/2")).lyapunov(time_limit=1.0)
    assert isinstance(above, Estimate)
    centre, slack = direct(Problem.from_features(rows, Reshuffled(Fraction(4, largest), 4, "1/2")), steps=400, chains=100)
    assert abs(above.value - centre) < 2 * above.half_width + slack


@pytest.mark.parametrize("optimiser", [SGD("1/9", momentum="9/10"), Reshuffled("1/9", 4)])
def test_steps_cost_a_row_of_k(optimiser: Optimiser) -> None:
    """The kernel moves vectors by rows: its time grows like N, not N^2 (with a wide margin for a busy machine)."""
    from time import process_time

    def seconds(size: int) -> float:
        k = np.eye(size) + 0.1
        build = DescentProblem.build(Problem.measured(k, optimiser).minimum, optimiser)  # type: ignore[arg-type]
        parts = build.at(1 / 9, 1)
        chains = parts[0].chains
        assert chains is not None
        work = max(1, int(2**13 / build.period))
        chains._moved(work, 1, None)
        start = process_time()
        chains._moved(work, 1, None)
        return (process_time() - start) / (work * build.period * chains.count)

    assert seconds(1024) < 60 * seconds(128)


@pytest.mark.parametrize("momentum", ["0", "1/2"])
def test_mu_of_a_measured_kernel_at_huge_step_sizes(momentum):
    """x^2 of the spectral formula overflows long before x does."""
    gram = np.array([[1.0, 0.2], [0.2, 2.0]])
    largest = np.linalg.eigvalsh(gram)[-1]
    for power in (100, 155, 250):
        found = Problem.measured(gram, GradientDescent(10**power, momentum=momentum)).mu()
        assert found.value == pytest.approx(power * np.log(10) + np.log(largest / 2), rel=1e-9)
    with pytest.raises(InputError, match="beyond the range"):
        Problem.measured(gram, GradientDescent(10**305, momentum=momentum)).mu()
