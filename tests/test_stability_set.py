"""Thresholds as sets: ranges of step sizes proved as a whole, against single step sizes; boxes of kernels, against their corners."""

from __future__ import annotations

import itertools
import json
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import resealed

import verify
from verify import SGD, GradientDescent, Problem, Sign
from verify.certificate.check import Rejected, check
from verify.cli import main
from verify.exact import InputError
from verify.threshold.box import sign_in_box
from verify.threshold.loosened import accepted, loosened, sign_proofs
from verify.threshold.range_proof import range_proof
from verify.threshold.stability_set import StabilitySet, StepRange

PAIR = [["1", "1/2"], ["1/2", "2"]]
THIRTEEN = [["1", "3"], ["3", "10"]]
TRIPLE = [["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]]


@pytest.fixture(scope="module")
def pair_set() -> StabilitySet:
    return Problem.from_gram(PAIR, SGD("1")).stability_set("1/200")


def test_the_set_of_a_pair_is_an_interval(pair_set: StabilitySet) -> None:
    assert pair_set.complete
    assert pair_set.is_interval is True
    assert [r.sign for r in pair_set.ranges] == [Sign.NEGATIVE, Sign.POSITIVE]
    assert pair_set.ranges[0].lo == 0
    assert pair_set.ranges[1].hi is None
    assert pair_set.first is not None
    threshold = Problem.from_gram(PAIR, SGD("1")).threshold("1e-9")
    assert pair_set.first[0] <= threshold.hi
    assert pair_set.first[1] >= threshold.lo
    assert pair_set.first[1] - pair_set.first[0] <= Fraction(1, 200)


def test_every_range_agrees_with_single_step_sizes(pair_set: StabilitySet) -> None:
    rng = random.Random(2)
    for r in pair_set.ranges:
        for _ in range(12):
            eta = r.lo + (Fraction(rng.randint(1, 99), 100) * (r.hi - r.lo) if r.hi is not None else Fraction(rng.randint(0, 300), 100))
            assert Problem.from_gram(PAIR, SGD(eta)).lyapunov(estimate=False).sign is r.sign
            assert pair_set.sign(eta) is r.sign
    assert pair_set.sign(sum(pair_set.gaps[0]) / 2) is Sign.UNDECIDED  # type: ignore[arg-type]


def test_the_certificate_is_accepted_and_no_wider_range_is(pair_set: StabilitySet) -> None:
    (certificate,) = pair_set.certificates
    statements = check(certificate)
    assert {s.relation for s in statements} == {"<", ">"}
    claims = certificate["claim"]["all"]
    last_negative = max(i for i, c in enumerate(claims) if c["relation"] == "<")
    for place, ends in ((last_negative, (None, "11/10")), (last_negative + 1, ("1", None)), (0, (None, "inf"))):
        wrong = json.loads(json.dumps(certificate))
        subject = wrong["claim"]["all"][place]["subject"]
        subject["step_size"] = [new or old for new, old in zip(ends, subject["step_size"], strict=True)]
        with pytest.raises(Rejected):
            check(resealed(wrong))
    swapped = json.loads(json.dumps(certificate))
    swapped["claim"]["all"][last_negative]["relation"] = ">"
    with pytest.raises(Rejected):
        check(resealed(swapped))


def test_a_set_that_is_no_interval() -> None:
    """E6'': lambda < 0 again near eta = 1/K_11, where it is -infinity."""
    found = Problem.from_gram(THIRTEEN, SGD("1")).stability_set("1/5", time_limit=60)
    assert found.is_interval is False
    assert found.sign("1") is Sign.NEGATIVE
    assert found.sign("1/2") is Sign.POSITIVE
    assert found.sign("1/5") is Sign.NEGATIVE
    assert found.sign(10**6) is Sign.POSITIVE


def test_equal_norms_and_gradient_descent_need_no_search() -> None:
    for problem, edge in (
        (Problem.from_gram([["2", "1"], ["1", "2"]], SGD("1")), Fraction(1)),
        (Problem.from_gram([["2", "1"], ["1", "2"]], GradientDescent("1")), Fraction(4, 3)),
        (Problem.from_gram([["2", "1"], ["1", "2"]], SGD("1", batch=2, replacement=False)), Fraction(4, 3)),
    ):
        found = problem.stability_set("1e-6")
        assert found.is_interval is True
        assert found.first is not None
        assert found.first[0] < edge < found.first[1]


def test_weights_with_a_large_denominator_use_linear_cones() -> None:
    problem = Problem.from_gram(PAIR, SGD("1", weights=["501", "499"]))
    low, high = (problem.at(eta).family for eta in ("1001/1000", "102/100"))
    proof = range_proof(low, high, "<")
    assert proof is not None
    assert proof["kind"] == "linear-cones"
    subject = problem.subject | {"step_size": ["1001/1000", "51/50"]}
    assert accepted(subject, "<", proof)
    assert not accepted(subject, ">", proof)
    assert not accepted(subject | {"step_size": ["1001/1000", "11/10"]}, "<", proof)


def test_a_reason_where_the_ends_are_open() -> None:
    found = Problem.from_gram(PAIR, SGD("1", batch=2)).stability_set("1/2", time_limit=2)
    assert found.gaps[-1][1] is None
    assert not found.complete
    assert "large step sizes" in found.reason
    assert found.ranges[0].lo == 0


def test_three_samples_have_certified_ends() -> None:
    found = Problem.from_gram(TRIPLE, SGD("1")).stability_set("1/2", time_limit=1)
    assert found.ranges[0].lo == 0
    assert found.ranges[0].hi > Fraction(64, 100)  # type: ignore[operator]
    assert found.ranges[-1].hi is None


def test_no_ranges_without_an_exact_optimiser() -> None:
    with pytest.raises(InputError, match="bare matrices"):
        Problem.from_matrices([[[1, 0], [0, 1]]]).stability_set()
    with pytest.raises(InputError, match="measured"):
        Problem.measured([[1.0, 0.5], [0.5, 2.0]], SGD("1")).stability_set()
    with pytest.raises(InputError, match="width"):
        Problem.from_gram(PAIR, SGD("1")).stability_set("0")


def test_words_of_ranges() -> None:
    assert str(StepRange(Fraction(0), Fraction(1), Sign.NEGATIVE)) == "lambda < 0 on (0, 1]"
    assert str(StepRange(Fraction(2), None, Sign.POSITIVE)) == "lambda > 0 on [2, infinity)"
    empty = StabilitySet((), Fraction(1), "none", ())
    assert empty.gaps == ((Fraction(0), None),)
    assert (empty.complete, empty.first, empty.is_interval) == (False, None, None)


def test_loosened_proofs_claim_less() -> None:
    result: Any = Problem.from_gram(PAIR, SGD("101/100")).lyapunov("1e-6", estimate=False)
    ((relation, proof),) = sign_proofs(result, None)
    assert relation == "<"
    assert proof["rho"] == "1"
    assert loosened({"kind": "determinant"}, False, None) == {"kind": "determinant"}
    assert not list(sign_proofs(Problem.from_gram([["2", "1"], ["1", "2"]], SGD("1")).lyapunov(), None))


# --- the command --------------------------------------------------------------------------------------------------------------------------------


def problem_file(folder: Path, gram: Any = PAIR) -> str:
    path = folder / "pair.toml"
    path.write_text(f"gram = {json.dumps(gram)}\n[optimiser]\nkind = \"sgd\"\nstep_size = \"1\"\nbatch = 1\nreplacement = true\n")
    return str(path)


def test_the_command_writes_a_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set.json"
    assert main(["threshold", problem_file(tmp_path), "--set", "--width", "1/20", "--json", "--certificate", str(out)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["complete"] is True
    assert shown["certificates"] == [str(out)]
    assert check(json.loads(out.read_text()))
    assert main(["threshold", problem_file(tmp_path), "--set", "--width", "1/20"]) == 0
    assert "proved, not sampled" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["--certificate", "x.json"], ["--set", "--width", "0.1x"], ["--set", "--certificate", "no/such/x.json"],
     ["--set", "--time-limit", "0"], ["--set", "--certificate", ""]],
)
def test_bad_options_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(["threshold", problem_file(tmp_path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


# --- boxes ------------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("eta", "radius", "sign"), [("101/100", "1/1000", Sign.NEGATIVE), ("11/10", "1/1000", Sign.POSITIVE), ("9/10", "1/10", Sign.NEGATIVE)])
def test_a_box_has_the_sign_at_its_corners(eta: str, radius: str, sign: Sign) -> None:
    found = sign_in_box(Problem.from_gram(PAIR, SGD(eta)), Fraction(radius))
    assert found.complete
    assert found.sign is sign
    assert found.certificate is not None
    check(found.certificate)
    d = Fraction(radius)
    for a, b, c in itertools.product((-1, 1), repeat=3):
        corner = [[1 + a * d, Fraction(1, 2) + b * d], [Fraction(1, 2) + b * d, 2 + c * d]]
        assert Problem.from_gram(corner, SGD(eta)).lyapunov(estimate=False).sign is sign
    wider = json.loads(json.dumps(found.certificate))
    wider["claim"]["subject"]["radius"] = "1/2"
    with pytest.raises(Rejected):
        check(resealed(wider))


def test_a_box_that_is_too_large_is_proved_in_part() -> None:
    found = sign_in_box(Problem.from_gram(PAIR, SGD("101/100")), Fraction(1, 100))
    assert found.sign is Sign.NEGATIVE
    assert 0 < found.proved < found.radius
    assert "asked for" in str(found)


def test_boxes_of_three_samples_by_elementary_facts() -> None:
    assert sign_in_box(Problem.from_gram(TRIPLE, SGD("6/10")), Fraction(1, 100)).complete
    assert sign_in_box(Problem.from_gram(TRIPLE, SGD("2")), Fraction(1, 100)).sign is Sign.POSITIVE


@pytest.mark.parametrize(
    ("problem", "radius", "reason"),
    [
        (Problem.from_gram(PAIR, SGD("1", batch=2)), Fraction(1, 10), "batch 1"),
        (Problem.from_gram([["1", "1"], ["1", "1"]], SGD("1")), Fraction(1, 10), "positive definite"),
        (Problem.from_gram(PAIR, GradientDescent("1")), Fraction(1, 10), "batch 1"),
        (Problem.from_gram(PAIR, SGD("1")), Fraction(0), "radius"),
    ],
)
def test_boxes_of_other_problems_are_refused(problem: Problem, radius: Fraction, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        sign_in_box(problem, radius)


def test_a_box_around_a_threshold_is_undecided() -> None:
    found = sign_in_box(Problem.from_gram([["2", "1"], ["1", "2"]], SGD("1")), Fraction(1, 1000))
    assert found.proved == 0
    assert found.sign is Sign.UNDECIDED
    assert "zero" in found.reason
    assert verify.Sign.UNDECIDED is found.sign


def test_a_measured_kernel_yields_a_theorem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = np.array([[1.0000001234, 0.49999987], [0.49999987, 2.00000031]])
    np.save(tmp_path / "kernel.npy", kernel)
    path, out = tmp_path / "kernel.toml", tmp_path / "box.json"
    path.write_text('gram_npy = "kernel.npy"\nradius = "1e-6"\n[optimiser]\nkind = "sgd"\nstep_size = "101/100"\n')
    assert main(["box", str(path), "--certificate", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sign"] == "negative"
    assert shown["proved"] == shown["radius"]
    subject = json.loads(out.read_text())["claim"]["subject"]
    assert check(json.loads(out.read_text()))
    rounded, radius = [[Fraction(x) for x in row] for row in subject["gram"]], Fraction(subject["radius"])
    for exact, row in zip(rounded, kernel.tolist(), strict=True):
        assert all(abs(x - Fraction(y)) + Fraction(1, 10**6) <= radius for x, y in zip(exact, row, strict=True))
    assert Problem.measured(kernel, SGD("101/100")).sign_in_box("1e-6").sign is Sign.NEGATIVE


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('gram = [["1", "1/2"], ["1/2", "2"]]\n', "--radius"),
        ('gram = [["1", "1/2"], ["1/2", "2"]]\nradius = "0"\n', "radius"),
        ('gram = [["1", "1/2"], ["1/2", "2"]]\nradius = 0.1\n', "radius"),
        ('gram_npy = "kernel.npy"\nradius = "1"\nmeasured = true\n', "keep one"),
    ],
)
def test_bad_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str) -> None:
    np.save(tmp_path / "kernel.npy", np.eye(2))
    path = tmp_path / "box.toml"
    path.write_text(text + '[optimiser]\nkind = "sgd"\nstep_size = "1"\n')
    assert main(["box", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err
    assert captured.err.count("\n") == 1


def test_recheck_names_the_ranges_and_the_box(tmp_path: Path, capsys: pytest.CaptureFixture[str], pair_set: StabilitySet) -> None:
    verify.write_certificate(pair_set.certificates[0], tmp_path / "set.json")
    assert main(["recheck", str(tmp_path / "set.json")]) == 0
    shown = capsys.readouterr().out
    assert shown.count("gram") == 1
    assert "for every step size in (0, " in shown
    assert ", infinity)" in shown
    boxed = sign_in_box(Problem.from_gram(PAIR, SGD("9/10")), Fraction(1, 10))
    assert boxed.certificate is not None
    verify.write_certificate(boxed.certificate, tmp_path / "box.json")
    assert main(["recheck", str(tmp_path / "box.json")]) == 0
    assert "within 1/10 of this one" in capsys.readouterr().out
