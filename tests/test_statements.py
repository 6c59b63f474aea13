"""The registry: entries are complete and certified; `check` answers four ways, each for the right reason, by evidence that is not the statement's own."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import pytest

import theorems
from theorems import Case, Condition, Fact, Instance, Relation, Statement, check, get
from theorems.checking import certify_again
from theorems.evidence import FACTS
from theorems.shipped import proved, shipped_certificate
from verify import SGD, GradientDescent, InputError, Problem, load_problem
from verify import check as trusted
from verify.cli import main
from verify.exponent.engine import METHODS
from verify.symbolic import SymbolicProblem

ISSUED = [
    "T1", "T2", "T2'", "T3", "D-mu", "D-lambda", "D-regular", "D-ntk", "E1", "E2", "E3", "E4", "E5", "E5'", "E6", "E6'", "E6''", "E7", "E8", "E9",
    "E10", "E11", "E12", "E13", "E14", "S1", "S2", "S3", "S4", "S5", "S6", "F-mean-square", "F-gd-sgd", "F-sgd-gd", "F-spectrum", "F-flatter",
    "F-larger-batch", "F-jsr", "F-smaller-steps", "F-correlated", "F-without-replacement", "F-monotone", "F-slogan",
]  # fmt: skip
PAIR = [["1", "1/2"], ["1/2", "2"]]


def sgd(gram: Any, eta: str, *more: Any) -> Problem:
    return Problem.from_gram(gram, SGD(eta, *more))


@dataclass
class Seen:
    """A stand-in for a simulation."""

    verdict: str
    error_probability: float = 1e-6
    reason: str = "as the test says"


def saying(verdict: str) -> Any:
    return lambda problem, *, seed, error_probability: Seen(verdict)  # noqa: ARG005


# --- the registry --------------------------------------------------------------------------------------------------------------------------


def test_every_permanent_id_is_there() -> None:
    assert [id for id in ISSUED if id not in theorems.ids()] == []
    assert [get(id).id for id in theorems.ids()] == list(theorems.ids())
    assert tuple(s.id for s in theorems.statements()) == theorems.ids()


@pytest.mark.parametrize("id", theorems.ids())
def test_entries_are_complete(id: str) -> None:
    statement = get(id)
    assert statement.references
    assert all(len(r) > 10 for r in statement.references)
    assert statement.latex.count("{") == statement.latex.count("}")
    assert statement.plain.endswith(".")
    assert all(relation.to in theorems.ids() for relation in statement.relations)
    assert all(v.name and v.domain and v.meaning for v in statement.variables)
    assert json.loads(json.dumps(statement.to_json()))["id"] == id
    if statement.evidence == "refuted":
        assert any(r.kind == "refuted by" for r in statement.relations)


WITH_CASES = [s.id for s in theorems.statements() if s.instances]


@pytest.mark.parametrize("id", WITH_CASES)
def test_shipped_certificates_prove_the_shipped_signs(id: str) -> None:
    certificate = shipped_certificate(get(id))
    assert certificate is not None
    claims = certificate["claim"].get("all", [certificate["claim"]])
    signs = {(json.dumps(claims[one.subject]["subject"], sort_keys=True), one.quantity, one.sign) for one in trusted(certificate)}
    for instance in get(id).instances:
        assert {(json.dumps(instance.problem.subject, sort_keys=True), *pair) for pair in instance.signs} <= signs
    found = check(id)
    assert found.verdict == ("refuted" if get(id).evidence == "refuted" else "holds")
    assert found.certificate is not None
    assert trusted(dict(found.certificate))


@pytest.mark.parametrize("id", ["E6'", "F-mean-square", "F-flatter", "F-slogan", *[pytest.param(x, marks=pytest.mark.slow) for x in WITH_CASES]])
def test_shipped_signs_are_found_again_by_the_engine(id: str) -> None:
    found = certify_again(get(id))
    assert found.verdict == ("refuted" if get(id).evidence == "refuted" else "holds")
    assert found.certificate is not None


def test_a_shipped_certificate_that_is_not_its_own_proves_nothing() -> None:
    certificate = shipped_certificate(get("F-jsr"))
    assert certificate is not None
    assert proved(certificate, get("F-mean-square").instances[0]).value is None
    assert proved(certificate | {"id": "sha256:0"}, get("F-jsr").instances[0]).value is None


def test_counterexamples_are_small() -> None:
    for statement in theorems.statements():
        if statement.evidence == "refuted":
            numbers = [x for i in statement.instances for row in (i.gram or i.features or ()) for x in (*row, i.step_size)]
            assert max(len(part) for x in numbers for part in x.lstrip("-").split("/")) <= 2, statement.id
            assert max(len(i.gram or i.features or ()) for i in statement.instances) <= 2


def test_a_wrong_shipped_sign_is_found_out() -> None:
    good = get("F-jsr")
    lying = dataclasses.replace(good, instances=(dataclasses.replace(good.instances[0], signs=(("lambda", "positive"),)),))
    found = check(lying)
    assert found.verdict == "undecided"
    assert "was not found again" in found.reason
    assert found.certificate is None


@pytest.mark.parametrize(("id", "near"), [("T33", "T3"), ("f-JSR", "F-jsr"), ("E6`", "E6"), ("F-mean-squares", "F-mean-square")])
def test_an_unknown_id_suggests_near_ones(id: str, near: str) -> None:
    with pytest.raises(InputError, match="no statement has the id") as refusal:
        get(id)
    assert near in str(refusal.value)
    with pytest.raises(KeyError):
        check(id, sgd(PAIR, "1/2"))


def test_bad_entries_are_refused() -> None:
    good = get("E5")
    for change, message in (
        ({"references": ()}, "no references"),
        ({"references": (" ",)}, "empty reference"),
        ({"evidence": "obvious"}, "not a grade"),
        ({"conclusion": "lambda < 0"}, "not a Condition"),
        ({"evidence": "refuted"}, "ships no counterexample"),
        ({"latex": ""}, "no latex"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(good, **change)
    with pytest.raises(ValueError, match="signs"):
        Instance("no sign", (), "1", (("1",),))
    with pytest.raises(ValueError, match="either gram or features"):
        Instance("nothing", (("lambda", "negative"),), "1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.id = "E99"  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"theorems\.check"):
        good.conclude(theorems.Facts(optimiser="sgd"))


# --- check ---------------------------------------------------------------------------------------------------------------------------------

HOLDS = [
    ("T1", sgd(PAIR, "1/2")), ("T2", sgd(PAIR, "101/100")), ("T2'", sgd(PAIR, "1/3")), ("T3", sgd(PAIR, "3/2")), ("T3", sgd(PAIR, "101/100", 2)),
    ("D-mu", sgd(PAIR, "3")), ("D-lambda", sgd(PAIR, "1")), ("D-regular", sgd(PAIR, "1")), ("D-ntk", load_problem("example:iris-pair")),
    ("D-ntk", sgd(PAIR, "1/3", 3, True, ["1", "2"])), ("E1", sgd([["1", "0", "0"], ["0", "2", "1"], ["0", "1", "3"]], "1/2")),
    ("E2", sgd(PAIR, "2", 2, False)), ("E3", sgd([["1", "0"], ["0", "3"]], "1", 2)), ("E4", sgd(PAIR, "3")), ("E5", sgd(PAIR, "9/10")),
    ("E5'", sgd(PAIR, "1")), ("E5'", sgd([["2", "1"], ["1", "2"]], "1")), ("E6", sgd(PAIR, "2")), ("E7", sgd([["2", "1"], ["1", "2"]], "11/10")),
    ("E7", sgd([["2", "1"], ["1", "2"]], "1")), ("E8", sgd(PAIR, "1")), ("E9", SymbolicProblem.from_population("isotropic", 3, 1, "3/2")),
    ("E10", sgd(PAIR, "50")), ("E11", sgd(PAIR, "1/2")), ("E12", sgd(PAIR, "2")), ("E12", sgd(PAIR, "1/2")), ("E13", sgd(PAIR, "3/4")),
    ("E6'", sgd(PAIR, "101/100")), ("E6''", sgd([["1", "3"], ["3", "10"]], "1")), ("S1", sgd(PAIR, "3")), ("S2", sgd(PAIR, "3/2")), ("S3", sgd(PAIR, "1/2")),
    ("S4", sgd(PAIR, "3/2")), ("S5", sgd(PAIR, "3/2")), ("S6", sgd(PAIR, "3/2")), ("F-monotone", sgd([["2", "1"], ["1", "2"]], "1/2")),
    ("F-slogan", sgd(PAIR, "1/2")),
]  # fmt: skip


@pytest.mark.parametrize(("id", "problem"), HOLDS, ids=[f"{id}-{i}" for i, (id, _) in enumerate(HOLDS)])
def test_statements_hold_where_they_should(id: str, problem: Any) -> None:
    found = check(id, problem, seconds=3)
    assert found.verdict == "holds", found
    assert found.conclusion is not None
    if found.certificate is not None:
        assert trusted(dict(found.certificate))


FAILS = [
    ("T2", sgd(PAIR, "1"), "R1"), ("T2", sgd([["1", "0"], ["0", "2"]], "1/3"), "R2"), ("T2", Problem.from_gram(PAIR, GradientDescent("1/2")), "not full"),
    ("T2", sgd([["1", "1"], ["1", "1"]], "1/3"), "H2"), ("T1", Problem.from_gram([["2", "0"], ["0", "2"]], GradientDescent("1")), "H3"),
    ("T3", Problem.from_features([["1"], ["1"]], SGD("1/2"), ["0", "1"]), "solvable"), ("T2'", sgd(PAIR, "3/2"), "converges"),
    ("E3", sgd(PAIR, "1/2"), "diagonal"), ("E5", sgd(PAIR, "1"), "c_i < 2"), ("E7", sgd(PAIR, "1/2"), "equal"), ("E6", sgd(PAIR, "101/100"), "bracket"),
    ("E4", sgd(PAIR, "1/2", 2), "batch 1"), ("E8", sgd(PAIR, "1/3"), "c_i = 1"), ("E9", sgd(PAIR, "1"), "isotropic"), ("E10", sgd(PAIR, "1"), "expansion"),
    ("E6'", sgd(PAIR, "1"), "example"), ("S4", sgd([["1"]], "1"), "two dimensions"), ("F-sgd-gd", sgd(PAIR, "3"), "lambda < 0"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "problem", "which"), FAILS, ids=[f"{id}-{i}" for i, (id, *_) in enumerate(FAILS)])
def test_a_failing_hypothesis_is_named_and_stops_the_check(id: str, problem: Problem, which: str) -> None:
    found = check(id, problem)
    assert found.verdict == "hypothesis fails"
    assert which in found.reason
    assert found.conclusion is None
    assert not found.decided


REFUTED = [
    ("F-mean-square", sgd([["1", "2"], ["2", "5"]], "1/2")), ("F-gd-sgd", sgd([["1", "1"], ["1", "2"]], "3/2")),
    ("F-spectrum", sgd([["1", "1"], ["1", "5"]], "3/7")), ("F-flatter", sgd([["3", "2"], ["2", "3"]], "3/5")), ("F-jsr", sgd([["2", "2"], ["2", "3"]], "3/4")),
    ("F-correlated", sgd([["2", "2"], ["2", "3"]], "3/4")), ("F-without-replacement", sgd([["2", "3"], ["3", "5"]], "3/5", 2)),
    ("F-smaller-steps", sgd([["1", "2"], ["2", "5"]], "1")), ("F-monotone", sgd([["1", "2"], ["2", "5"]], "1")),
    ("F-slogan", Problem.from_features([["1"], ["1"]], SGD("1/2"), ["0", "1"])), ("F-slogan", sgd([["1", "0"], ["0", "3"]], "1")),
]  # fmt: skip


@pytest.mark.parametrize(("id", "problem"), REFUTED, ids=[f"{id}-{i}" for i, (id, _) in enumerate(REFUTED)])
def test_folklore_is_refuted_with_a_certificate_and_a_witness(id: str, problem: Problem) -> None:
    found = check(id, problem)
    assert found.verdict == "refuted", found
    assert found.error_probability == 0
    assert found.certificate is not None
    assert trusted(dict(found.certificate))
    assert found.to_json()["witness"]["optimiser"]["step_size"] == str(problem.exact[1].step_size)


def test_the_use_of_t2_beyond_its_publication_is_noted() -> None:
    assert any("extension" in note for note in check("T2", sgd(PAIR, "1/3", 2)).notes)
    assert not any("extension" in note for note in check("T2", sgd(PAIR, "1/3")).notes)
    assert check("T2", load_problem("example:iris-pair")).notes == ()


def test_no_evidence_is_never_success() -> None:
    undecided = check("T3", sgd(PAIR, "1/2"), simulator=saying("undecided"))
    assert undecided.verdict == "undecided"
    assert "as the test says" in undecided.reason
    nothing = Statement("X", "X", "X.", "X", (), ("this test, at length",), "conjectured", Condition("unknown", lambda _: Fact(None, "nobody knows")))
    assert check(nothing, sgd(PAIR, "1/2")).verdict == "undecided"
    assert check(dataclasses.replace(nothing, hypotheses=(nothing.conclusion,)), sgd(PAIR, "1/2")).verdict == "undecided"
    # three dimensions between the ends of E6, without time for a proof
    hard = sgd([["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]], "68/100")
    assert check("F-mean-square", hard, seconds=0.1).verdict == "undecided"
    assert check("T2", hard, seconds=0.1).verdict == "undecided"


def test_simulation_can_refute_a_theorem() -> None:
    """The two sides are independent: a simulation that disagrees with the certificate is reported, not explained away."""
    for id in ("T2", "T3"):
        found = check(id, sgd(PAIR, "1/3"), simulator=saying("diverges"))
        assert found.verdict == "refuted"
        assert found.error_probability == pytest.approx(1e-6)


def test_elementary_facts_are_tested_by_other_methods() -> None:
    assert set(FACTS) | {"planar sandwich (S4, S5)", "mean square (E11)", "words"} == set(METHODS)
    for id, problem in (("E5", sgd(PAIR, "9/10")), ("E7", sgd([["2", "1"], ["1", "2"]], "9/10")), ("E4", sgd(PAIR, "3"))):
        found = check(id, problem)
        assert found.conclusion is not None
        kinds = {part["kind"] for c in found.conclusion.fact.certificates for part in ([c["proof"]] if "parts" not in c["proof"] else c["proof"]["parts"])}
        assert kinds
        assert kinds <= {"planar-forms", "mean-square", "words"}
    with pytest.raises(InputError, match="is not a method"):
        sgd(PAIR, "1").lyapunov(without=("magic",))


def test_bare_matrices_and_measured_kernels_are_answered() -> None:
    bare = Problem.from_matrices([[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]])
    assert check("S2", bare).verdict == "holds"
    assert check("S6", bare).verdict == "hypothesis fails"
    assert check("T3", bare).verdict == "undecided"
    measured = Problem.measured([[1.0, 0.5], [0.5, 2.0]], SGD("1/2"))
    for id in ("T3", "E5", "D-ntk", "S2", "F-jsr"):
        assert check(id, measured).verdict == "undecided"


@pytest.mark.parametrize(("options", "message"), [({"seconds": 0}, "seconds"), ({"error_probability": 2}, "error_probability")])
def test_bad_limits_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check("T3", sgd(PAIR, "1"), **options)
    with pytest.raises(InputError, match="neither an id"):
        check(3, sgd(PAIR, "1"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="ships no instance"):
        check("T3")
    with pytest.raises(InputError, match="answers 'yes'"):
        check(dataclasses.replace(get("E5"), conclusion=Condition("c", lambda _: "yes")), sgd(PAIR, "1/2"))  # type: ignore[arg-type,return-value]


def test_a_statement_of_ones_own() -> None:
    """As in a notebook: one object, then the same functions."""
    mine = Statement(
        id="my-conjecture",
        title="Two samples with c_1 + c_2 < 4 are stable",
        plain="If the c_i add up to less than 4, lambda is negative.",
        latex=r"c_1+c_2<4\Rightarrow\lambda<0",
        hypotheses=(Condition("c_1 + c_2 < 4", lambda case: Fact(sum(case.c) < 4, f"the sum is {sum(case.c)}")),),
        conclusion=Condition("lambda < 0", lambda case: case.is_sign("lambda", "negative")),
        references=("a notebook of the user",),
        evidence="conjectured",
        relations=(Relation("generalises", "E7"),),
    )
    assert check(mine, sgd(PAIR, "1")).verdict == "holds"
    assert check(mine, sgd(PAIR, "4/3")).verdict == "hypothesis fails"
    found = check(mine, sgd([["1", "0"], ["0", "5"]], "1/2"))
    assert found.verdict == "refuted"
    assert trusted(dict(found.certificate or {}))[0].sign == "positive"
    assert "my-conjecture" in str(found)


def test_a_case_computes_each_sign_once() -> None:
    case = Case(sgd(PAIR, "101/100"))
    assert case.lambda_ is case.lambda_
    assert case.other(("words",)) is case.other(("words",))
    assert check("E11", case).verdict in ("holds", "undecided")
    assert case.is_sign("lambda", "negative").value is True
    assert (~case.is_sign("lambda", "negative")).value is False


# --- the command line ----------------------------------------------------------------------------------------------------------------------


def test_statements_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statements", "--json"]) == 0
    assert [s["id"] for s in json.loads(capsys.readouterr().out)["statements"]] == list(theorems.ids())
    assert main(["statements"]) == 0
    assert "F-slogan" in capsys.readouterr().out
    assert main(["statements", "F-jsr"]) == 0
    shown = capsys.readouterr().out
    for word in ("refuted", "Rota", "joint spectral radius", "K = [[2, 2], [2, 3]], eta = 3/4"):
        assert word in shown
    assert main(["statements", "E6''", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["instances"][0]["signs"] == {"lambda": "negative"}


def test_check_at_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    out = tmp_path / "cert.json"
    assert main(["check", "T3", "example:one-cone", "--certificate", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["statement"], found["certificate"]) == ("holds", "T3", str(out))
    assert trusted(json.loads(out.read_text()))
    assert main(["check", "F-correlated", "example:one-cone"]) == 1
    assert "refuted" in capsys.readouterr().out
    assert main(["check", "E7", "example:one-cone"]) == 1
    assert "hypothesis fails" in capsys.readouterr().out
    assert main(["check", "F-jsr", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["witness"]["instances"]


def test_a_population_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    file = tmp_path / "population.toml"
    file.write_text('population = { law = "isotropic", dimension = 2, scale = "1" }\n[optimiser]\nkind = "sgd"\nstep_size = "5/2"\n')
    assert main(["check", "E9", str(file)]) == 0
    assert "holds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "T33", "example:one-cone"], "did you mean T3"),
        (["check", "T3", "nowhere.toml"], "does not exist"),
        (["check", "T3"], "give a problem"),
        (["statements", "Q"], "no statement has the id"),
        (["check", "T3", "example:one-cone", "--time-limit", "0"], "positive number of seconds"),
        (["check", "T3", "example:one-cone", "--certificate", "/nowhere/x.json"], "folder does not exist"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
