"""The counterexample search: small certified results, honest failures, and a search that cannot be talked into a false one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import verify
from verify import SGD, InputError, Problem, Sign, check, strategies
from verify.certificate import claim, seal
from verify.cli import main
from verify.predicate import Judged, conjunction, parse_predicate
from verify.search import Counterexample, NotFound, RationalSpace, find, find_counterexample
from verify.search import engine as searching
from verify.search import space as spaces
from verify.search.batch import Batch

CHECKER = Path(verify.__file__).parent / "certificate" / "check.py"


def shown(found: Any) -> tuple[list[list[str]], str]:
    assert isinstance(found, Counterexample), str(found)
    minimum, optimiser = found.case.exact
    return [[str(x) for x in row] for row in minimum.gram], str(optimiser.step_size)


def test_the_smallest_regular_case_with_lambda_below_zero_and_mu_and_ms_above() -> None:
    found = find("lambda < 0 and ms > 0 and mu > 0", points=2, regular=True, seconds=30)
    assert shown(found) == ([["2", "3"], ["3", "5"]], "3/5")
    assert found.certificate is not None
    assert {(s.quantity, s.sign) for s in check(found.certificate)} >= {("lambda", "negative"), ("mu", "positive"), ("ms", "positive")}
    assert found.effort.undecided == 0


@pytest.mark.parametrize(
    ("text", "largest"),
    [
        ("lambda < 0 and ms > 0", 4),
        ("mu < 0 < lambda", 3),
        ("lambda < 0 < mu", 5),
        ("lambda < 0 and c2 > 2", 4),
        ("lambda == 0", 2),
        ("lambda < 0 and k11 == 3 and eta < 1/5", 9),
        ("c1 == c2 and k12 != 0 and lambda < 0", 3),
        ("kappa_max > 5 * kappa_min and mu < -1/10", 4),
    ],
)
def test_found_cases_are_small_and_judged_again_independently(text: str, largest: int) -> None:
    found = find(text, points=2, seconds=30)
    gram, eta = shown(found)
    numbers = [Fraction(x) for row in gram for x in row] + [Fraction(eta)]
    assert max(max(abs(x.numerator), x.denominator) for x in numbers) <= largest
    assert parse_predicate(text, 2).judge(Problem.from_gram(gram, SGD(eta))).holds is True
    if found.certificate is not None:
        assert check(found.certificate)


def test_one_and_three_data_points() -> None:
    assert shown(find("lambda == 0", points=1, seconds=10)) == ([["1"]], "2")
    found = find("lambda > 0 and mu < 0 and c1 < c2 < c3", points=3, seconds=30)
    assert len(shown(found)[0]) == 3


def test_the_same_seed_finds_the_same_case() -> None:
    assert shown(find("lambda < 0 and ms > 1/10", seconds=30, seed=5)) == shown(find("lambda < 0 and ms > 1/10", seconds=30, seed=5))


@pytest.mark.parametrize("text", ["lambda > ms / 2", "lambda > 0 and c1 < 2 and c2 < 2", "lambda < 0 and ms < 0 and lambda >= ms / 2 + 1/100"])
def test_what_does_not_exist_is_not_found_and_that_is_no_proof(text: str) -> None:
    found = find(text, seconds=1.0)
    assert isinstance(found, NotFound)
    assert not found
    assert found.effort.screened > 0
    assert found.effort.seconds >= 0.9
    assert "proves nothing" in str(found)


def test_the_directed_search_and_the_rounding_find_it_without_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "MAX_SHELL", 0)
    found = find("lambda < 0 and ms > 0 and mu < 0", seconds=30, seed=1)
    gram, _ = shown(found)
    assert max(abs(Fraction(x)) for row in gram for x in row) <= 99
    assert found.certificate is not None
    assert {(s.quantity, s.sign) for s in check(found.certificate)} >= {("lambda", "negative"), ("ms", "positive")}


def never(text: str) -> Any:
    """The belief that the text never holds."""
    return parse_predicate(f"not ({text})", 2)


WRONG = ["c1 >= 2 or c2 >= 2 or lambda > 0", "not (mu < 0) or lambda < 0", "not (lambda < 0) or mu < 0", "not (lambda < 0) or ms < 0"]


@pytest.mark.parametrize("belief", WRONG)
def test_wrong_theorems_are_refuted(belief: str) -> None:
    """E5 with the sign flipped; lambda replaced by mu, both ways; the converse of E11."""
    found = find_counterexample(parse_predicate(belief, 2), RationalSpace(2), seconds=30)
    assert isinstance(found, Counterexample), str(found)
    assert found.judged.holds is False


@pytest.mark.parametrize("theorem", ["c1 >= 2 or c2 >= 2 or lambda < 0", "not (ms < 0) or (lambda < 0 and mu < 0)", "c1 != c2 or c1 <= 2 or lambda > 0"])
def test_true_theorems_survive(theorem: str) -> None:
    """E5; E11 and Jensen; E7."""
    assert isinstance(find_counterexample(parse_predicate(theorem, 2), RationalSpace(2), seconds=1.5), NotFound)


def test_hypothesis_strategies_are_searched_and_shrunk_within_the_strategy() -> None:
    found = find_counterexample(never("lambda < 0 and c2 > 2"), strategies.near_threshold(2, regular=True), seconds=4, seed=3)
    gram, eta = shown(found)
    assert max(abs(Fraction(x)) for row in gram for x in row) <= 9
    assert strategies.is_regular(found.case)
    assert Fraction(eta) * max(Fraction(gram[0][0]), Fraction(gram[1][1])) > 2
    assert found.certificate is not None
    assert check(found.certificate)


def test_a_hypothesis_strategy_without_counterexamples() -> None:
    from hypothesis import strategies as st

    found = find_counterexample(never("lambda < 0"), st.just(Problem.from_gram([[1, 0], [0, 1]], SGD(3))), seconds=5)
    assert isinstance(found, NotFound)
    assert "no further cases" in found.reason


def sampled_without(grams: Any, steps: Any) -> tuple[Problem, Problem]:
    return Problem.from_gram(grams[0], SGD(steps[0], 2)), Problem.from_gram(grams[0], SGD(steps[0], 2, False))


@dataclass
class WithoutReplacementIsSafer:
    """A belief about pairs: batch 2 with replacement stable implies without stable."""

    def __call__(self, case: tuple[Problem, Problem]) -> Judged:
        first, second = (problem.lyapunov(estimate=False, time_limit=5) for problem in case)
        if first.sign is Sign.NEGATIVE and second.sign is Sign.POSITIVE:
            return Judged(False, None, "both signs", conjunction(getattr(x, "certificate", None) for x in (first, second)))
        return Judged(None if Sign.UNDECIDED in (first.sign, second.sign) else True, None, "no")

    def violations(self, batch: Batch) -> Any:
        value, error = batch.lyapunov(batch=2)
        return np.minimum(-value - 3 * error, batch.mu() - 1e-9)


def test_pairs_of_problems_and_a_conjunction_about_both() -> None:
    found = find_counterexample(WithoutReplacementIsSafer(), RationalSpace(2, build=sampled_without), seconds=30)
    assert isinstance(found, Counterexample), str(found)
    assert found.certificate is not None
    assert {(s.subject, s.sign) for s in check(found.certificate)} >= {(0, "negative"), (2, "positive")} or len(found.certificate["claim"]["all"]) >= 2
    assert [p.lyapunov(estimate=False).sign for p in found.case] == [Sign.NEGATIVE, Sign.POSITIVE]


class OneByOne:
    """A predicate that scores single cases."""

    def __call__(self, case: Problem) -> Judged:
        return never("lambda < 0 < ms").judge(case)  # type: ignore[no-any-return]

    def violation(self, case: Problem) -> float:
        gram, eta = np.array([[[[float(x) for x in row] for row in case.exact[0].gram]]]), np.array([[float(case.exact[1].step_size)]])
        return float(parse_predicate("lambda < 0 < ms", 2).margins(Batch(gram, eta))[0])


@pytest.mark.parametrize("strategy", [RationalSpace(2), strategies.problems(2)], ids=["space", "hypothesis"])
def test_scores_of_single_cases(strategy: Any) -> None:
    found = find_counterexample(OneByOne(), strategy, seconds=30, seed=1)
    assert isinstance(found, Counterexample), str(found)
    assert found.effort.judged < found.effort.screened


def lying(case: Problem) -> Judged:
    """A broken engine: a certificate of the opposite sign."""
    result: Any = case.lyapunov(estimate=False)
    proof = result.certificate["proof"]
    return Judged(False, None, "forged", seal([(claim(case.subject, "lambda", ">", Fraction(0)), proof.get("parts", [proof])[0])]))


def test_forged_certificates_are_not_believed() -> None:
    found = find_counterexample(lying, strategies.problems(2, steps=strategies.step_sizes("1/90", "1/50")), seconds=2)
    assert isinstance(found, NotFound)
    assert found.effort.judged > 0


def test_bad_input() -> None:
    space = RationalSpace(2)
    bad: list[tuple[Callable[[], Any], str]] = [
        (lambda: find("lambda <", 2), "position 9"),
        (lambda: find("lambda < 0", 0), "points = 0"),
        (lambda: find("lambda < 0", 9), "points = 9"),
        (lambda: find("lambda < 0", seconds=0), "seconds = 0"),
        (lambda: find("lambda < 0", seconds=float("nan")), "seconds = nan"),
        (lambda: find("c1 < 1 and c1 > 2"), "the limits on c1 contradict each other"),
        (lambda: find("eta < 0 and lambda < 0"), "it is positive"),
        (lambda: find("mu > 1/2 and (ms > 0 and 1/3 >= mu)"), "the limits on mu"),
        (lambda: find("k12 == 1 and k12 == 2"), "the limits on k12"),
        (lambda: find_counterexample(never("mu < 0"), "everything"), "neither a Hypothesis strategy"),  # type: ignore[arg-type]
        (lambda: find_counterexample(lying, space), "violations(batch)"),
        (lambda: find_counterexample(never("mu < 0"), space, seconds=-1), "seconds = -1"),
        (lambda: RationalSpace(2, steps=9), "steps = 9"),
    ]
    for call, says in bad:
        with pytest.raises(InputError) as refusal:
            call()
        assert says in str(refusal.value)
    assert not searching.contradiction(parse_predicate("c1 < 1 or c1 > 2", 2).tree)


def test_shells_are_complete_and_in_order() -> None:
    sizes = []
    for m, shell in zip(range(1, 4), RationalSpace(2).shells(), strict=False):
        for row in range(len(shell)):
            (gram,), (eta,) = shell.exact(row)
            sizes.append(max(*(abs(x.numerator) for line in gram for x in line), eta.numerator, eta.denominator))
            assert sizes[-1] == m
            assert gram[0][0] * gram[1][1] > gram[0][1] ** 2
    # K primitive with a <= d <= 3, 0 <= b: (1,0,1) | (1,0,2) (1,1,2) (2,1,2) | (1,0,3) (1,1,3) (2,0,3) (2,1,3) (2,2,3) (3,1,3) (3,2,3); eta: 1, 3, 7 values
    assert [sizes.count(m) for m in (1, 2, 3)] == [1, 4 * 3 - 1, 11 * 7 - 4 * 3]


@pytest.mark.parametrize("batch", [1, 2])
def test_floating_point_stand_ins_agree_with_the_enclosures(batch: int) -> None:
    for gram, eta in (([[2, 3], [3, 5]], "3/5"), ([[1, 1], [1, 5]], "3/4")):
        problem = Problem.from_gram(gram, SGD(eta, batch))
        many = Batch(np.array(gram, float)[None, None], np.array([[float(Fraction(eta))]]), length=8000)
        (value,), (error,) = many.lyapunov(batch=batch)
        lo, hi = problem.lyapunov("1/1000", estimate=False).ends
        assert lo is not None
        assert hi is not None
        assert float(lo) - 5 * error < value < float(hi) + 5 * error
        ms_lo, ms_hi = problem.mean_square().ends
        assert ms_lo is not None
        assert ms_hi is not None
        assert float(2 * ms_lo) - 1e-9 <= many.mean_square(batch=batch)[0] <= float(2 * ms_hi) + 1e-9
        low, high = many.bounds(batch=batch)
        assert low[0] <= float(hi)
        assert high[0] >= float(lo)


def test_progress_is_reported() -> None:
    lines: list[str] = []
    find("lambda < 0 and ms > 0", seconds=10, progress=lines.append)
    assert lines
    assert "screened" in lines[0]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "proof.json"
    assert main(["find", "lambda < 0 < mu", "--points", "2", "--regular", "--certificate", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["found"]["gram"] == [["2", "3"], ["3", "5"]]
    assert found["found"]["step_size"] == "3/5"
    assert found["found"]["regular"] is True
    assert found["found"]["certificate"] == str(out)
    assert set(found["effort"]) == {"screened", "judged", "undecided", "seconds"}
    done = subprocess.run([sys.executable, "-I", str(CHECKER), str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "lambda <" in done.stdout
    assert main(["find", "lambda < 0 < mu"]) == 0
    assert "K" in capsys.readouterr().out


def test_command_line_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "proof.json"
    assert main(["find", "lambda > 0 and c1 < 1 and c2 < 1", "--seconds", "1", "--json", "--certificate", str(out)]) == 1
    assert json.loads(capsys.readouterr().out)["found"] is None
    for words in (["find", "lambda <"], ["find", "c1 < 0"], ["find", "lambda < 0", "--points", "7"], ["find", "lambda < 0", "--seconds", "0"], ["find"]):
        assert main([*words]) == 2
        streams = capsys.readouterr()
        assert not streams.out
        assert streams.err.count("\n") == 1

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "find", interrupted)
    assert main(["find", "lambda < 0", "--certificate", str(out)]) == 130
    assert list(tmp_path.iterdir()) == []


def test_it_is_public() -> None:
    assert verify.find_counterexample is find_counterexample
    assert "find_counterexample" in verify.__all__
