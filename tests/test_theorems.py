"""T1-T3: every path to a verdict, and every path to none."""

import dataclasses

import pytest

from theorems import Fact, Facts, facts_of, get
from verify.minimum import Minimum
from verify.optimiser import SGD, GradientDescent

YES = Fact(True, "checked")
NO = Fact(False, "a counterexample")
UNKNOWN = Fact(None, "not known")
HYPOTHESES = {
    "T1": ["smooth", "gradients_independent", "steps_nonsingular"],
    "T2": ["smooth", "gradients_independent", "steps_nonsingular", "regular_steps", "connected"],
    "T3": ["linear_model", "solvable"],
}
ALL_FIELDS = sorted({name for names in HYPOTHESES.values() for name in names})
NEGATIVE = {"T1": "in the support", "T2": "in the support", "T3": "converges almost surely from every start"}
POSITIVE = {"T1": "not in the support", "T2": "not in the support", "T3": "does not converge almost surely from every start"}
CASES = [(id, name) for id, names in HYPOTHESES.items() for name in names]


def case(id, sign, **changes):
    known = dict.fromkeys(ALL_FIELDS, YES) | {"optimiser": "gd" if id == "T1" else "sgd"}
    return Facts(**(known | {"mu_sign" if id == "T1" else "lambda_sign": sign} | changes))


@pytest.mark.parametrize("id", ["T1", "T2", "T3"])
@pytest.mark.parametrize("sign", ["negative", "positive"])
def test_sign_decides_when_every_hypothesis_holds(id, sign):
    conclusion = get(id).conclude(case(id, sign))
    assert conclusion.verdict == {"negative": NEGATIVE, "positive": POSITIVE}[sign][id]
    assert conclusion.unconditional
    assert conclusion.evidence == get(id).evidence
    assert [h.status for h in conclusion.hypotheses] == ["holds"] * len(HYPOTHESES[id])


@pytest.mark.parametrize("id", ["T1", "T2", "T3"])
def test_undecided_sign_is_never_a_verdict(id):
    conclusion = get(id).conclude(case(id, "undecided"))
    assert conclusion.verdict == "no statement"
    assert not conclusion.unconditional
    assert "not proved" in conclusion.reason


@pytest.mark.parametrize("id", ["T1", "T2"])
def test_zero_is_silence_about_the_support(id):
    conclusion = get(id).conclude(case(id, "zero"))
    assert conclusion.verdict == "no statement"
    assert "= 0" in conclusion.reason


def test_zero_decides_a_linear_model():
    conclusion = get("T3").conclude(case("T3", "zero"))
    assert conclusion.verdict == "does not converge almost surely from every start"
    assert "from some starts it may" in conclusion.reason


@pytest.mark.parametrize(("id", "name"), CASES)
@pytest.mark.parametrize("sign", ["negative", "zero", "positive", "undecided"])
def test_one_failing_hypothesis_forbids_a_verdict(id, name, sign):
    conclusion = get(id).conclude(case(id, sign, **{name: NO}))
    assert conclusion.verdict == "no statement"
    assert "a counterexample" in conclusion.reason
    assert [h.status for h in conclusion.hypotheses].count("fails") == 1


@pytest.mark.parametrize(("id", "name"), CASES)
def test_assumed_hypothesis_makes_the_verdict_conditional(id, name):
    conclusion = get(id).conclude(case(id, "negative", **{name: UNKNOWN}))
    assert conclusion.verdict == NEGATIVE[id]
    assert not conclusion.unconditional
    assert [h.reason for h in conclusion.assumed] == ["not known"]


@pytest.mark.parametrize("id", ["T1", "T2", "T3"])
def test_no_evidence_is_never_success(id):
    conclusion = get(id).conclude(Facts(optimiser="gd" if id == "T1" else "sgd"))
    assert conclusion.verdict == "no statement"
    assert not conclusion.unconditional
    assert len(conclusion.assumed) == len(HYPOTHESES[id])


def test_each_theorem_keeps_to_its_optimiser():
    assert get("T1").conclude(case("T1", "negative", optimiser="sgd")).verdict == "no statement"
    assert get("T2").conclude(case("T2", "negative", optimiser="gd")).verdict == "no statement"
    # The sign of the other exponent proves nothing.
    assert get("T1").conclude(case("T1", "undecided", lambda_sign="negative")).verdict == "no statement"
    assert get("T2").conclude(case("T2", "undecided", mu_sign="positive")).verdict == "no statement"
    assert get("T3").conclude(case("T3", "negative", optimiser="gd")).verdict == "no statement"
    assert get("T3").conclude(case("T3", "undecided", optimiser="gd", mu_sign="negative")).verdict == NEGATIVE["T3"]


@pytest.mark.parametrize(("change", "label"), [({"batch": 3}, "batch 3"), ({"outputs": 2}, "2 outputs"), ({"uniform": False}, "non-uniform")])
def test_extension_of_t2_is_labelled(change, label):
    conclusion = get("T2").conclude(case("T2", "negative", **change))
    assert label in conclusion.extension
    assert conclusion.evidence == "extension of a published proof, not proved"
    assert not conclusion.unconditional


def test_outputs_are_an_extension_of_t1_but_batches_none_of_t3():
    assert "2 outputs" in get("T1").conclude(case("T1", "negative", outputs=2)).extension
    assert get("T1").conclude(case("T1", "negative", batch=4)).unconditional
    assert get("T3").conclude(case("T3", "negative", batch=4)).unconditional


@pytest.mark.parametrize(
    ("change", "everywhere"),
    [({}, True), ({"connected": NO}, False), ({"connected": UNKNOWN}, False), ({"steps_nonsingular": NO}, False), ({"batch": 2}, False)],
)
def test_divergence_from_every_start_needs_more(change, everywhere):
    conclusion = get("T3").conclude(case("T3", "positive", **change))
    assert conclusion.verdict == POSITIVE["T3"]
    assert ("from every start" in conclusion.reason) == everywhere


def test_statements_are_complete():
    for id in HYPOTHESES:
        statement = get(id)
        assert statement.id == id
        assert statement.references
        assert [h.fact for h in statement.hypotheses if h.fact] == HYPOTHESES[id]
        with pytest.raises(ValueError, match="has no references"):
            dataclasses.replace(statement, references=())
        with pytest.raises(dataclasses.FrozenInstanceError):
            statement.id = "T4"
    with pytest.raises(KeyError, match="did you mean T"):
        get("T9")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Fact(True, " "), "reason"),
        (lambda: Fact("yes", "seen"), "True, False or None"),
        (lambda: Facts(optimiser="adam"), "optimiser"),
        (lambda: Facts(optimiser="sgd", lambda_sign="-"), "lambda_sign"),
        (lambda: Facts(optimiser="sgd", batch=0), "batch"),
        (lambda: Facts(optimiser="sgd", outputs=True), "outputs"),
    ],
)
def test_bad_facts_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def statuses(facts, id):
    return {h.name.split()[0]: h.status for h in get(id).conclude(facts).hypotheses}


def test_facts_of_a_linear_model():
    facts = facts_of(Minimum.from_features([["1", "0"], ["1", "2"]]), SGD("1/4"), lambda_sign="negative")
    assert get("T2").conclude(facts).unconditional
    assert get("T3").conclude(facts).unconditional
    assert get("T1").conclude(facts).verdict == "no statement"


@pytest.mark.parametrize(
    ("features", "optimiser", "failing"),
    [
        ([["1", "0"], ["1", "2"]], SGD("1"), {"H3", "R1"}),
        ([["1", "0"], ["1", "2"]], SGD("2/5"), {"R1"}),
        ([["1", "0"], ["0", "2"]], SGD("1/5"), {"R2"}),
        ([["1"], ["2"]], SGD("1/8"), {"H2"}),
        ([["1", "0"], ["0", "0"]], SGD("1/4"), {"H2", "R1", "R2"}),
    ],
)
def test_facts_that_fail_on_a_linear_model(features, optimiser, failing):
    facts = facts_of(Minimum.from_features(features), optimiser, lambda_sign="negative")
    found = {h.name.split()[0] for h in get("T2").conclude(facts).hypotheses if h.status == "fails"}
    assert found == failing
    assert get("T2").conclude(facts).verdict == "no statement"


def test_facts_of_gradient_descent_and_full_batches():
    minimum = Minimum.from_features([["1", "0"], ["0", "2"]])
    singular = facts_of(minimum, GradientDescent("2"), mu_sign="positive")
    assert statuses(singular, "T1") == {"H1": "holds", "H2": "holds", "H3": "fails"}
    full = facts_of(minimum, SGD("1/4", batch=2, replacement=False), mu_sign="negative")
    assert full.optimiser == "gd"
    assert get("T1").conclude(full).unconditional


def test_facts_of_a_gram_matrix_are_assumptions_about_the_model():
    facts = facts_of(Minimum.from_gram([["1", "1/2"], ["1/2", "2"]]), SGD("1/3"), lambda_sign="negative")
    assert statuses(facts, "T2") == {"H1": "is assumed", "H2": "holds", "H3": "is assumed", "R1": "holds", "R2": "holds"}
    assert {h.status for h in get("T3").conclude(facts).hypotheses} == {"is assumed"}


def test_facts_of_batches():
    minimum = Minimum.from_features([["1", "0"], ["1", "2"], ["0", "1"]])
    facts = facts_of(minimum, SGD("1/7", batch=2), lambda_sign="negative")
    assert facts.batch == 2
    assert statuses(facts, "T2") == {"H1": "holds", "H2": "fails", "H3": "holds", "R1": "holds", "R2": "holds"}
    assert "batch 2" in get("T2").conclude(facts).extension
    weighted = facts_of(Minimum.from_features([["1", "0"], ["1", "2"]]), SGD("1/4", weights=[1, 2]))
    assert not weighted.uniform


@pytest.mark.parametrize(("labels", "value"), [(["1", "2"], True), (["1", "3"], False), (None, None)])
def test_solvability_is_decided_by_labels(labels, value):
    facts = facts_of(Minimum.from_features([["1"], ["2"]], labels), SGD("1/8"), lambda_sign="negative")
    assert facts.solvable.value is value
    assert get("T3").conclude(facts).verdict == ("no statement" if value is False else NEGATIVE["T3"])
