"""Momentum, weight decay, reshuffled epochs, vector outputs, Kaczmarz weights: the exact families, what is refused, problem files, and what it all means."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theorems
from verify import SGD, GradientDescent, InputError, Problem, Sign, load_problem
from verify.certificate.check import Subject
from verify.cli import main
from verify.optimiser import Optimiser, Reshuffled, batches, checked_for, matrix_family, probabilities, single_steps
from verify.regularity import is_regular
from verify.report.analysis import analyse
from verify.simulate import simulate
from verify.simulate.variants import as_matrices

PAIR = [["1", "1/2"], ["1/2", "2"]]
FOUR = [["1", "1/2", "1/5", "0"], ["1/2", "2", "1/10", "3/10"], ["1/5", "1/10", "3/2", "-2/5"], ["0", "3/10", "-2/5", "1"]]


def fractions(rows: Any) -> Any:
    return [[Fraction(x) for x in row] for row in rows]


@st.composite
def variants(draw: st.DrawFn) -> Problem:
    """Any optimiser on one to four samples of one or two outputs; K may be singular."""
    n, q = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2)]))
    width = draw(st.integers(1, n * q + 1))
    rows = draw(st.lists(st.lists(st.integers(-3, 3), min_size=width, max_size=width), min_size=n * q, max_size=n * q).filter(lambda x: any(map(any, x))))
    eta = draw(st.fractions(Fraction(1, 20), 2, max_denominator=20))
    beta, omega = draw(st.sampled_from(["0", "1/2", "9/10"])), draw(st.sampled_from(["0", "1/3", "5"]))
    batch = draw(st.sampled_from([b for b in range(1, n + 1) if n % b == 0]))
    weights = draw(st.sampled_from([None, list(range(1, n + 1))]))
    optimiser = draw(
        st.sampled_from(
            [
                GradientDescent(eta, beta, omega),
                Reshuffled(eta, batch, beta, omega),
                SGD(eta, batch, True, weights, beta, omega),
                SGD(eta, batch, False, momentum=beta, weight_decay=omega),
            ]
        )
    )
    return Problem.from_features([[str(x) for x in row] for row in rows], optimiser, outputs=q)


@given(variants())
@settings(max_examples=150, deadline=None)
def test_the_family_is_the_one_that_the_checker_rebuilds(problem: Problem) -> None:
    minimum, optimiser = problem.exact
    for samples in (tuple(range(minimum.size)), *minimum.components):
        ours, theirs = matrix_family(minimum, optimiser, samples), Subject(problem.subject).family(list(samples))
        assert list(ours.probabilities) == theirs.p
        assert [[list(row) for row in a] for a in ours.matrices] == theirs.steps
        assert ours.dimension == theirs.d


@given(variants())
@settings(max_examples=60, deadline=None)
def test_the_simulated_matrices_are_conjugate_to_the_family(problem: Problem) -> None:
    """Written down twice, in residual coordinates and in coefficients of the gradients: the same traces and determinants with the same probabilities."""
    other = as_matrices(problem).family
    laws = []
    for family in (problem.family, other):
        law: dict[Any, Fraction] = {}
        for a, p, det in zip(family.matrices, family.probabilities, family.determinants, strict=True):
            square = [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*a, strict=True)] for row in a]
            key = (sum(a[i][i] for i in range(len(a))), sum(square[i][i] for i in range(len(a))), det)
            law[key] = law.get(key, Fraction(0)) + p
        laws.append(law)
    assert laws[0] == laws[1]


def test_an_epoch_by_hand() -> None:
    k, eta = fractions(PAIR), Fraction(1, 3)
    first, second = [[1 - eta, 0], [-eta / 2, 1]], [[1, -eta / 2], [0, 1 - 2 * eta]]
    both = [np.array(second, dtype=object) @ np.array(first, dtype=object), np.array(first, dtype=object) @ np.array(second, dtype=object)]
    family = Problem.from_gram(k, Reshuffled(eta)).family
    assert [np.array(a, dtype=object).tolist() for a in family.matrices] == [a.tolist() for a in both]
    assert family.probabilities == (Fraction(1, 2), Fraction(1, 2))


def test_a_reshuffled_full_batch_is_gradient_descent_and_single_steps_are_without_replacement() -> None:
    assert Problem.from_gram(PAIR, Reshuffled("1/3", 2)).family == Problem.from_gram(PAIR, GradientDescent("1/3")).family
    assert single_steps(Reshuffled("1/3", 2, "1/2")) == SGD("1/3", 2, False, momentum="1/2")
    epochs = Problem.from_gram(FOUR, Reshuffled("1/3", 2))
    assert len(epochs.family.matrices) == 6
    assert len(list(batches(single_steps(Reshuffled("1/3", 2)), 4, range(4)))) == 6


def test_vector_outputs_of_independent_copies_are_the_copies() -> None:
    """K (x) I_q moves q copies of K by the same draws: every matrix is A (x) I_q."""
    k = np.kron(np.array([[2, 1], [1, 4]]), np.eye(2, dtype=int)).astype(int).tolist()
    double, single = Problem.from_gram(k, SGD("1/3"), outputs=2), Problem.from_gram([[2, 1], [1, 4]], SGD("1/3"))
    for big, small in zip(double.family.matrices, single.family.matrices, strict=True):
        assert np.array_equal(np.array(big, dtype=object), np.kron(np.array(small, dtype=object), np.eye(2, dtype=int)))
    assert (double.minimum.size, double.minimum.components, double.minimum.rank) == (2, ((0, 1),), 4)  # type: ignore[union-attr]


def test_components_of_vector_outputs_are_of_samples() -> None:
    gram = [["1", "0", "0", "0"], ["0", "1", "1/2", "0"], ["0", "1/2", "1", "0"], ["0", "0", "0", "2"]]
    assert Problem.from_gram(gram, SGD("1/2"), outputs=2).minimum.components == ((0, 1),)  # type: ignore[union-attr]
    assert Problem.from_gram(gram, SGD("1/2")).minimum.components == ((0,), (1, 2), (3,))  # type: ignore[union-attr]


def test_kaczmarz_weights_are_the_norms_and_follow_the_kernel() -> None:
    problem = Problem.from_gram(PAIR, SGD("1/3", weights="kaczmarz"))
    assert problem.optimiser.weights == (1, 2)  # type: ignore[union-attr]
    assert problem.subject["weights"] == ["1", "2"]
    assert problem.at("1/2").optimiser.weights == (1, 2)  # type: ignore[union-attr]
    assert probabilities(problem.optimiser, 2) == (Fraction(1, 3), Fraction(2, 3))  # type: ignore[arg-type]
    blocks = Problem.from_features([[1, 0], [0, 2], [1, 1], [0, 1]], SGD("1/9", weights="kaczmarz"), outputs=2)
    assert blocks.optimiser.weights == (5, 3)  # type: ignore[union-attr]
    measured = Problem.measured([[1.1, 0.0], [0.0, 2.0]], SGD("1/3", weights="kaczmarz"))
    assert measured.rationalised("1/2").optimiser.weights == (1, 2)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="never draws sample 1"):
        Problem.from_gram([[1, 0], [0, 0]], SGD("1/3", weights="kaczmarz"))
    with pytest.raises(InputError, match="build a Problem"):
        probabilities(SGD("1/3", weights="kaczmarz"), 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD("1/2", momentum="1"), r"momentum = 1 is not in \[0, 1\)"),
        (lambda: GradientDescent("1/2", momentum="-1/2"), "momentum = -1/2"),
        (lambda: SGD("1/2", momentum=0.9), r"momentum = 0.9 is a float.*\"0.9\""),
        (lambda: Reshuffled("1/2", weight_decay="-1"), "weight_decay = -1 is negative"),
        (lambda: SGD("1/2", weight_decay=0.1), "weight_decay = 0.1 is a float"),
        (lambda: Reshuffled(0.5), "step_size = 0.5 is a float"),
        (lambda: Reshuffled("1/2", 0), "batch = 0"),
        (lambda: SGD("1/2", weights="kacmarz"), "\"kaczmarz\""),
        (lambda: SGD("1/2", 2, False, weights="kaczmarz"), "without replacement is not defined"),
        (lambda: Problem.from_gram(FOUR, Reshuffled("1/2", 3)), "batch = 3 does not divide the number of samples N = 4"),
        (lambda: Problem.from_gram(FOUR, SGD("1/2"), outputs=3), "outputs = 3 does not divide the 4 rows of gram"),
        (lambda: Problem.from_features([["1"], ["2"]], SGD("1/2"), outputs=0), "outputs = 0"),
        (lambda: Problem.from_gram(FOUR, SGD("1/2"), outputs=True), "outputs = True"),
        (lambda: Problem.measured([[1.0]], SGD("1/2"), outputs=2), "outputs = 2 does not divide"),
        (lambda: Problem.from_gram(FOUR, SGD("1/2", weights=[1, 1, 1, 1]), outputs=2), "weights has 4 entries for N = 2"),
        (lambda: Problem.from_gram(PAIR, "sgd"), "is not an optimiser"),  # type: ignore[arg-type]
        (lambda: Problem.from_gram(np.eye(8, dtype=int).tolist(), Reshuffled("1/2")).family, "40320 different epochs"),
        (lambda: is_regular(Problem.from_gram(PAIR, SGD("1/2", momentum="1/2"))), "regularity is stated"),
        (lambda: simulate(Problem.measured([[1.0]], SGD("1/2", momentum="1/2"))), "rationalised"),
        (lambda: simulate(Problem.from_gram(np.eye(7, dtype=int).tolist(), Reshuffled("1/2"))), "more than 600 different steps"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def written(folder: Path, text: str) -> str:
    path = folder / "problem.toml"
    path.write_text(text)
    return str(path)


GRAM = 'gram = [["1", "1/2"], ["1/2", "2"]]\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"\nmomentum = "1/2"\nweight_decay = "1/9"', SGD("1/3", momentum="1/2", weight_decay="1/9")),
        (GRAM + '[optimiser]\nkind = "gd"\nstep_size = "1/3"\nmomentum = "1/2"', GradientDescent("1/3", "1/2")),
        (GRAM + '[optimiser]\nkind = "reshuffled"\nstep_size = "1/3"\nbatch = 2\nweight_decay = "1/2"', Reshuffled("1/3", 2, 0, "1/2")),
        (GRAM + 'weights = "kaczmarz"\n[optimiser]\nkind = "sgd"\nstep_size = "1/3"', SGD("1/3", weights=[1, 2], kaczmarz=True)),
        ("outputs = 2\n" + GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"', SGD("1/3")),
    ],
)
def test_problem_files(tmp_path: Path, text: str, expected: Optimiser) -> None:
    problem = load_problem(written(tmp_path, text))
    assert problem.optimiser == expected
    assert problem.minimum.outputs == (2 if text.startswith("outputs") else 1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"\nmomentum = 0.5', "optimiser.momentum = 0.5 is a float"),
        (GRAM + '[optimiser]\nkind = "reshuffled"\nstep_size = "1/3"\nreplacement = true', "replacement = True is not a known key of a reshuffled optimiser"),
        (GRAM + 'weights = ["1", "2"]\n[optimiser]\nkind = "reshuffled"\nstep_size = "1/3"', "visits every sample once"),
        (GRAM + '[optimiser]\nkind = "adam"\nstep_size = "1/3"', "\"reshuffled\""),
        ("outputs = 3\n" + GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"', "outputs = 3 does not divide"),
        ('outputs = "2"\n' + GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"', "outputs = '2'"),
    ],
)
def test_bad_problem_files_exit_with_two_and_one_line(tmp_path: Path, capsys: Any, text: str, message: str) -> None:
    assert main(["exponent", written(tmp_path, text)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_symbolic_files_refuse_several_outputs(tmp_path: Path, capsys: Any) -> None:
    path = written(tmp_path, "outputs = 2\n" + GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/3"')
    assert main(["closed-form", path]) == 2
    assert "derived for one output" in capsys.readouterr().err


def test_command_line_on_a_heavy_ball_with_decay(tmp_path: Path, capsys: Any) -> None:
    path = written(tmp_path, GRAM + '[optimiser]\nkind = "sgd"\nstep_size = "1/5"\nmomentum = "1/2"\nweight_decay = "1/10"')
    proof = str(tmp_path / "proof.json")
    assert main(["exponent", path, "--certificate", proof, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lambda"]["sign"] == "negative"
    assert main(["recheck", proof]) == 0
    shown = capsys.readouterr().out
    assert "momentum" in shown
    assert "weight_decay" in shown
    answer = analyse(load_problem(path), thresholds=False).to_json()
    assert answer["problem"]["optimiser"]["momentum"] == "1/2"
    assert answer["problem"]["outputs"] == 1
    assert [v["verdict"] for v in answer["verdicts"] if v["statement"] in ("T1", "T2")] == ["no statement"] * 2


def conclusions(problem: Problem) -> dict[tuple[str, str], Any]:
    found = analyse(problem, thresholds=False)
    return {(v.conclusion.statement, v.optimiser): v.conclusion for v in found.verdicts}


def test_heavy_ball_outputs_and_epochs_are_extensions() -> None:
    for problem, words in (
        (Problem.from_features(PAIR, SGD("1/20", momentum="1/3")), "momentum"),
        (Problem.from_features(PAIR, SGD("1/20"), outputs=2), None),
        (Problem.from_features(PAIR, Reshuffled("1/20")), "reshuffled epochs"),
        (Problem.from_features(FOUR, SGD("1/20"), outputs=2), "2 outputs"),
        (Problem.from_features(PAIR, SGD("1/20", weights="kaczmarz")), "non-uniform samples"),
    ):
        found = conclusions(problem)
        if words is None:  # one sample of two outputs: gradient descent
            assert "2 outputs" in found["T1", "GD"].extension
            continue
        stated = found["T2", "SGD"]
        assert stated.verdict == "in the support"
        assert words in stated.extension
        assert "extension" in stated.extension
        assert not stated.unconditional
        assert found["T3", "SGD"].verdict == "converges almost surely from every start"
    plain = conclusions(Problem.from_features(PAIR, SGD("1/20")))["T2", "SGD"]
    assert (plain.extension, plain.unconditional) == ("", True)


def test_momentum_leaves_r1_open_and_outputs_use_determinants() -> None:
    heavy = conclusions(Problem.from_features(PAIR, SGD("1/20", momentum="1/3")))["T2", "SGD"]
    assert {h.name: h.status for h in heavy.hypotheses}["R1 c_i not in {1, 2}"] == "is assumed"
    assert is_regular(Problem.from_gram(FOUR, SGD("1/20"), outputs=2))
    # det(I - eta K_SS) = (1 - eta)^2 for a block I: 0 at eta = 1, 1 at eta = 2
    block = np.kron([[1, 0], [0, 1]], np.eye(2, dtype=int)).tolist()
    block[0][2] = block[2][0] = "1/2"
    assert [is_regular(Problem.from_gram(block, SGD(eta), outputs=2)) for eta in ("1/3", "1", "2")] == [True, False, False]


def test_weight_decay_means_a_stationary_law() -> None:
    found = conclusions(Problem.from_features(PAIR, SGD("1/20", weight_decay="1/3"), ["1", "1"]))
    assert found["T2", "SGD"].verdict == "no statement"
    assert "fixed point" in found["T2", "SGD"].reason
    assert found["T2", "SGD"].extension == ""
    assert found["T3", "SGD"].verdict == "converges in law to a unique stationary law"
    assert "Kesten" in found["T3", "SGD"].reason
    assert "point" in found["T3", "GD"].reason
    off = conclusions(Problem.from_features([["1/9"], ["1/8"]], SGD("1", weight_decay="2")))  # eta omega = 2: no contraction off the gradients
    assert off["T3", "SGD"].verdict == "no statement"
    text = str(analyse(Problem.from_features(PAIR, SGD("1/20", weight_decay="1/3")), thresholds=False))
    assert "stationary law" in text
    assert "no fixed point" in " ".join(text.split())


def test_the_registry_examines_plain_optimisers_only() -> None:
    beyond = [Problem.from_gram(PAIR, optimiser) for optimiser in (SGD("1/5", momentum="1/2"), SGD("1/5", weight_decay="1"), Reshuffled("1/5"))]
    for problem in (*beyond, Problem.from_gram(FOUR, SGD("1/5"), outputs=2)):
        for id in ("T3", "E5", "E7", "D-lambda"):
            found = theorems.check(id, problem, seconds=0.1)
            assert found.verdict == "hypothesis fails"
            assert "plain SGD" in found.reason


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        (Problem.from_gram(PAIR, SGD("1/2", momentum="1/3")), "converges"),
        (Problem.from_gram(PAIR, Reshuffled("3")), "diverges"),
        (Problem.from_gram(FOUR, SGD("2"), outputs=2), "diverges"),
        (Problem.from_gram(PAIR, SGD("2", weight_decay="1/2")), "diverges"),
    ],
)
def test_simulation_agrees_with_the_proof(problem: Problem, verdict: str) -> None:
    seen = simulate(problem, time_limit=5.0)
    assert seen.verdict == verdict
    assert "simulated as" in seen.problem.notes[-1]
    assert problem.lyapunov(estimate=False).sign in ({"converges": Sign.NEGATIVE, "diverges": Sign.POSITIVE}[verdict], Sign.UNDECIDED)


def test_checked_for_is_idempotent() -> None:
    for optimiser in (GradientDescent("1/2", "1/3", "1/4"), SGD("1/2", 2, weights="kaczmarz", momentum="1/3"), Reshuffled("1/2", 2)):
        problem = Problem.from_gram(PAIR, optimiser)
        assert checked_for(problem.optimiser, problem.minimum) == problem.optimiser  # type: ignore[arg-type]
        assert problem.at("1/7").at("1/2") == problem


def test_every_probability_is_the_multinomial_one() -> None:
    """Batches with replacement and weights, by enumeration of the ordered draws."""
    problem = Problem.from_gram([["1", "1/3", "0"], ["1/3", "2", "1"], ["0", "1", "3"]], SGD("1/4", 2, True, [1, 2, 3], "1/2"))
    law: dict[Any, Fraction] = {}
    for draw in itertools.product(range(3), repeat=2):
        m = tuple(draw.count(i) for i in range(3))
        law[m] = law.get(m, Fraction(0)) + Fraction((draw[0] + 1) * (draw[1] + 1), 36)
    assert sorted(law.values()) == sorted(problem.family.probabilities)
