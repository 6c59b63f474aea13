"""The search for counterexamples: folklore falls from a cold start, deliberately wrong theorems fall within seconds, true ones stand."""

from __future__ import annotations

import dataclasses
import json
import time
from fractions import Fraction
from typing import Any

import pytest

import theorems
from theorems import Case, Condition, Counterexample, Fact, NotFound, Statement, falsify, get
from theorems.companions import flatter, rotated
from theorems.domains import anywhere, equal_norms
from verify import SGD, InputError, Problem, Sign, strategies
from verify import check as trusted
from verify.cli import main

QUICK = ["F-mean-square", "F-gd-sgd", "F-sgd-gd", "F-spectrum", "F-flatter", "F-jsr", "F-correlated", "F-slogan"]
LONGER = ["F-larger-batch", "F-smaller-steps", "F-monotone", "F-without-replacement"]


def refuted(id: str, points: int = 2) -> None:
    began = time.monotonic()
    found = falsify(id, points, seconds=60)
    assert isinstance(found, Counterexample), found
    assert time.monotonic() - began < 60
    assert found.checked.verdict == "refuted"
    assert found.checked.error_probability == 0  # certificates and exact arithmetic only
    assert found.certificate is not None
    assert trusted(dict(found.certificate))
    gram, optimiser = found.problem.exact[0].gram, found.problem.exact[1]
    numbers = [optimiser.step_size, *(x for row in gram for x in row)]
    assert len(gram) == points
    assert max(max(abs(x.numerator), x.denominator) for x in numbers) <= 99
    assert theorems.check(id, found.problem, seed=3).verdict == "refuted"


def test_every_refuted_entry_is_searched_here() -> None:
    assert sorted(QUICK + LONGER) == sorted(s.id for s in theorems.statements() if s.evidence == "refuted")


@pytest.mark.parametrize("id", QUICK)
def test_folklore_falls(id: str) -> None:
    refuted(id)


@pytest.mark.slow
@pytest.mark.parametrize("id", LONGER)
def test_folklore_about_companions_falls(id: str) -> None:
    refuted(id)


@pytest.mark.slow
@pytest.mark.parametrize("id", ["F-mean-square", "F-jsr", "F-correlated", "F-gd-sgd"])
def test_folklore_falls_with_three_points(id: str) -> None:
    refuted(id, 3)


# --- deliberately wrong theorems -----------------------------------------------------------------------------------------------------------


def altered(id: str, name: str, **changes: Any) -> Statement:
    return dataclasses.replace(get(id), id=f"{id}-{name}", evidence="conjectured", **changes)


def _converges_iff(quantity: str, sign: str) -> Condition:
    def test(case: Case) -> Fact:
        stated, seen = case.is_sign(quantity, sign), case.simulated("converges")
        value = None if None in (stated.value, seen.value) else stated.value == seen.value
        return Fact(value, f"{stated.reason}; {seen.reason}", stated.certificates, seen.error_probability)

    return Condition(f"it converges iff {quantity} is {sign}", test)


def _largest_norm(case: Case) -> Fact:
    """E7 with the largest norm, for norms that differ."""
    c = max(case.c)
    wanted = Sign.NEGATIVE if c < 2 else Sign.POSITIVE if c > 2 else Sign.ZERO
    return case.is_sign("lambda", wanted.value)


NEGATIVE = Condition("lambda < 0", lambda case: case.is_sign("lambda", "negative"))
WRONG = [
    altered("T3", "flipped", conclusion=_converges_iff("lambda", "positive")),
    altered("T3", "mu-for-lambda", conclusion=_converges_iff("mu", "negative"), drawn=anywhere()),
    altered("E5", "without-its-hypothesis", hypotheses=(), conclusion=NEGATIVE, drawn=anywhere()),
    altered("E5", "up-to-3", hypotheses=(Condition("c_i < 3", lambda case: Fact(max(case.c) < 3, f"{case.c}")),), conclusion=NEGATIVE, drawn=anywhere()),
    altered("E7", "unequal", hypotheses=get("E7").hypotheses[:2], conclusion=Condition("sign of max c - 2", _largest_norm), drawn=anywhere()),
    altered("E7", "flipped", conclusion=Condition("lambda < 0 iff eta k > 2", lambda case: ~_largest_norm(case)), drawn=equal_norms),
    altered("E11", "converse", hypotheses=(NEGATIVE,), conclusion=Condition("ms < 0", lambda case: case.is_sign("ms", "negative")), drawn=anywhere()),
    altered("E6", "one-zero", hypotheses=(), conclusion=Condition("lambda < 0 iff eta < 2/max K", _largest_norm), drawn=anywhere()),
]


@pytest.mark.parametrize("statement", [pytest.param(s, id=s.id, marks=[pytest.mark.slow] if k in (3, 4, 6, 7) else []) for k, s in enumerate(WRONG)])
def test_a_wrong_theorem_is_refuted_within_seconds(statement: Statement) -> None:
    found = falsify(statement, 2, seconds=8)
    assert isinstance(found, Counterexample), found
    assert found.effort.seconds < 12
    assert found.certificate is not None
    assert trusted(dict(found.certificate))
    gram = found.problem.exact[0].gram
    assert max(abs(x.numerator) for row in gram for x in row) <= 9


@pytest.mark.parametrize("id", ["T3", "E5", "E7", "D-ntk"])
def test_a_true_theorem_is_not_refuted_and_that_is_no_proof(id: str) -> None:
    found = falsify(id, 2, seconds=1.0)
    assert isinstance(found, NotFound)
    assert not found
    assert "proves nothing" in str(found)
    assert found.verdicts["holds"] > 0
    assert found.effort.judged == sum(found.verdicts.values())


def test_hypotheses_that_are_never_met_are_reported() -> None:
    found = falsify("E3", 2, seconds=0.5, strategy=strategies.problems(2, connected=True))
    assert isinstance(found, NotFound)
    assert "established on none of the" in found.reason


def test_a_statistical_refutation_is_confirmed_with_another_seed() -> None:
    flaky = altered("E5", "flaky", conclusion=Condition("seed", lambda case: Fact(case.seed != 0, f"seed {case.seed}")))
    found = falsify(flaky, 2, seconds=2)
    assert isinstance(found, NotFound)
    assert "not confirmed with another seed" in found.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("E6'",), "shipped examples"), (("F-jsr", 1), "needs at least 2 data points"), (("F-jsr", 0), "points = 0"), (("F-jsr", 99), "points"),
        (("T99",), "no statement has the id"), (("T3", 2, -1), "seconds"),
    ],
)  # fmt: skip
def test_bad_searches_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        falsify(*arguments)


def test_companions_are_what_they_are_called() -> None:
    gram = ((Fraction(3), Fraction(2)), (Fraction(2), Fraction(3)))
    other = flatter(gram, Fraction(3, 5))
    assert other == ((Fraction(4), Fraction(0)), (Fraction(0), Fraction(1)))
    for k in (gram, ((Fraction(1), Fraction(1), Fraction(0)), (Fraction(1), Fraction(2), Fraction(0)), (Fraction(0), Fraction(0), Fraction(5)))):
        turned = rotated(k)
        assert turned is not None
        first, second = (Problem.from_gram(x, SGD("1")).mu("1e-9") for x in (k, turned))
        assert first is not None
        assert second is not None
        assert sum(k[i][i] for i in range(len(k))) == sum(turned[i][i] for i in range(len(k)))
        assert abs((first.ends[0] or Fraction(9)) - (second.ends[0] or Fraction(0))) < Fraction(1, 10**8)


def test_falsify_at_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    out = tmp_path / "cert.json"
    assert main(["falsify", "F-jsr", "--seconds", "30", "--certificate", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["found"]["certificate"] == str(out)
    assert found["found"]["problem"]["optimiser"]["kind"] == "sgd"
    assert trusted(json.loads(out.read_text()))
    assert main(["falsify", "E5", "--seconds", "0.5", "--json"]) == 1
    nothing = json.loads(capsys.readouterr().out)
    assert nothing["found"] is None
    assert nothing["effort"]["verdicts"]["refuted" if "refuted" in nothing["effort"]["verdicts"] else "holds"] > 0
    assert main(["falsify", "F-gd-sgd", "--seconds", "30"]) == 0
    assert "a counterexample" in capsys.readouterr().out
    unknown, fixed, bad = ["falsify", "F-jsrr"], ["falsify", "E14"], ["falsify", "F-jsr", "--points", "x"]
    for arguments, message in ((unknown, "did you mean F-jsr"), (fixed, "shipped examples"), (bad, "integer")):
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert message in said.err
