"""The planar sandwich against published values, and every proof that it emits against the checker."""

from __future__ import annotations

import copy
import time
from fractions import Fraction
from typing import Any

import pytest

from verify.certificate.check import Rejected, check
from verify.certificate.format import claim, seal
from verify.exponent.planar import PlanarResult, planar_sandwich, small_sign_certificate
from verify.family import MatrixFamily

HALF = ("1/2", "1/2")


def sgd(gram: list[list[Any]], step_size: Any, weights: tuple[Any, ...] = HALF) -> MatrixFamily:
    """Batch 1, N = 2."""
    (a, b), (_, d) = [[Fraction(x) for x in row] for row in gram]
    eta = Fraction(step_size)
    return MatrixFamily.from_matrices([[[1 - eta * a, 0], [-eta * b, 1]], [[1, -eta * b], [0, 1 - eta * d]]], weights)


def subject(family: MatrixFamily) -> dict[str, Any]:
    """The family as the subject of a claim; the identity has the probability that is left."""
    matrices = [[[str(x) for x in row] for row in a] for a in family.matrices]
    weights = [str(p) for p in family.probabilities]
    rest = 1 - sum(family.probabilities)
    if rest:
        matrices.append([["1", "0"], ["0", "1"]])
        weights.append(str(rest))
    return {"matrices": matrices, "weights": weights}


def certificate(family: MatrixFamily, relation: str, value: Fraction, proof: dict[str, Any]) -> dict[str, Any]:
    return seal([(claim(subject(family), "lambda", relation, value), proof)])


def accepted(family: MatrixFamily, result: PlanarResult) -> PlanarResult:
    """Both proofs pass the checker."""
    for bound, relation in ((result.lower, ">="), (result.upper, "<=")):
        if bound is not None:
            check(certificate(family, relation, bound.value, bound.proof))
    return result


def bounds(family: MatrixFamily, **options: Any) -> tuple[Fraction, Fraction]:
    result = accepted(family, planar_sandwich(family, **options))
    assert result.lower is not None, result.reason
    assert result.upper is not None, result.reason
    return result.lower.value, result.upper.value


K2 = [[1, "1/2"], ["1/2", 2]]
POLLICOTT = MatrixFamily.from_matrices([[[2, 1], [1, 1]], [[3, 1], [2, 1]]], HALF)
FIBONACCI = MatrixFamily.from_matrices([[[0, 1], [1, 1]], [[0, 1], [1, -1]]], HALF)

REFERENCES = {  # family, low, high, width to ask for
    "Pollicott 2010": (POLLICOTT, "1.1433110351029492458432518536555882994025", "1.1433110351029492458432518536555882994025", "1e-12"),
    "K12 = 1/10, eta = 7/10": (sgd([[1, "1/10"], ["1/10", 4]], "7/10"), "0.293289139807026588", "0.293289139807090483", "1e-9"),
    "p = 1/3, 2/3": (sgd(K2, "21/20", ("1/3", "2/3")), "0.024564537444473219", "0.024564537444549513", "1e-9"),
    "eta = 101/100": (sgd(K2, "101/100"), "-0.038114689397800245", "-0.038114689397743810", "1e-9"),
    "eta = 13/10": (sgd(K2, "13/10"), "0.183206018559160105", "0.183206018559196466", "1e-9"),
    "K12 = 9/10, eta = 3/5": (sgd([[1, "9/10"], ["9/10", 4]], "3/5"), "0.118436558836781807", "0.118436558836838915", "1e-9"),
    "eta = 1/100": (sgd(K2, "1/100"), "-0.00397629904484199634", "-0.00397629904484199633", "1e-9"),
    "eta = 1/4": (sgd(K2, "1/4"), "-0.10750765712355135", "-0.10750765712355134", "1e-9"),
    "rough: random Fibonacci": (FIBONACCI, "0.1239755980", "0.1239755995", "1e-3"),
    "rough: K12 = 9/10, eta = 1793/1000": (sgd([[1, "9/10"], ["9/10", 2]], "1793/1000"), "0.288858384544970841", "0.288858649271469339", "1e-4"),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_values(name: str) -> None:
    family, low, high, width = REFERENCES[name]
    lower, upper = bounds(family, width=Fraction(width))
    assert upper - lower <= Fraction(width)
    # both the reference and the bounds enclose lambda
    assert lower <= Fraction(high)
    assert upper >= Fraction(low)


def test_random_fibonacci_to_four_digits() -> None:
    lower, upper = bounds(FIBONACCI, width=Fraction(1, 10**4))
    assert lower <= Fraction("0.1239755980") <= Fraction("0.1239755995") <= upper <= lower + Fraction(1, 10**4)


@pytest.mark.parametrize("name", REFERENCES)
def test_sign_without_width(name: str) -> None:
    family, low, _, _ = REFERENCES[name]
    lower, upper = bounds(family)
    assert lower > 0 if Fraction(low) > 0 else upper < 0


@pytest.mark.parametrize(("eta", "sign"), [("1.0508256", -1), ("1.0508256807", -1), ("1.0508256809", 1), ("1.05082568082629", -1), ("1.0508256808264", 1)])
def test_signs_around_the_critical_step_size(eta: str, sign: int) -> None:
    lower, upper = bounds(sgd(K2, eta))
    assert upper < 0 if sign < 0 else lower > 0


def test_certificates_are_small_and_quick_to_check() -> None:
    family = sgd(K2, "13/10")
    result = planar_sandwich(family, width=Fraction(1, 10**9))
    assert result.cones <= 60
    began = time.process_time()
    accepted(family, result)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("weights", [("1/1000", "999/1000"), ("37/100", "63/100"), ("1", "123456789")])
def test_weights_with_a_large_denominator_use_linear_cones(weights: tuple[str, str]) -> None:
    family = sgd(K2, "21/20", weights)
    result = accepted(family, planar_sandwich(family, width=Fraction(1, 10**5)))
    assert result.reason == ""
    assert result.lower is not None
    assert result.upper is not None
    assert result.lower.proof["kind"] == result.upper.proof["kind"] == "linear-cones"
    assert result.upper.value - result.lower.value <= Fraction(1, 10**5)


def test_ten_matrices() -> None:
    family = MatrixFamily.from_matrices([[[2, i], [1, i]] for i in range(1, 11)], ["1"] * 10)
    lower, upper = bounds(family, width=Fraction(1, 10**6))
    assert upper - lower <= Fraction(1, 10**6)


def test_identity_mass() -> None:
    """lambda of the family with identity mass 1/2 is half of lambda without."""
    steps = [[["1/2", 0], [1, 2]], [[1, 1], [0, "1/3"]]]
    lower, upper = bounds(MatrixFamily.from_matrices([*steps, [[1, 0], [0, 1]]], ["1", "1", "2"]), width=Fraction(1, 10**9))
    twice_lower, twice_upper = bounds(MatrixFamily.from_matrices(steps, ["1", "1"]), width=Fraction(1, 10**9))
    assert 2 * lower <= twice_upper
    assert 2 * upper >= twice_lower


def test_linear_cones_are_continuous_with_forms() -> None:
    """lambda is continuous in the weights here."""
    family = sgd(K2, "101/100", ("501/1000", "499/1000"))
    lower, upper = bounds(family, width=Fraction(1, 10**6))
    near_lower, near_upper = bounds(sgd(K2, "101/100"), width=Fraction(1, 10**6))
    assert abs(lower - near_lower) < Fraction(1, 100)
    assert abs(upper - near_upper) < Fraction(1, 100)


def test_singular_step_has_an_upper_bound() -> None:
    """c_1 = 1, lambda = -infinity for the nilpotent pair; Kaczmarz has lambda = 2 p q log|cos| = -(log 2)/2 (E8)."""
    nilpotent = MatrixFamily.from_matrices([[[0, 1], [0, 0]], [[0, 0], [1, 0]]], HALF)
    result = accepted(nilpotent, planar_sandwich(nilpotent, width=Fraction(1, 1000), time_limit=5))
    assert result.lower is None
    assert result.reason
    assert result.upper is not None
    assert result.upper.value < 0
    lower, upper = bounds(sgd([[1, "1/2"], ["1/2", 1]], 1), width=Fraction(1, 10**6))
    assert lower <= Fraction("-0.34657359028") <= upper


BIG = "1" + "0" * 400
HOSTILE = {
    "zero step": MatrixFamily.from_matrices([[[0, 0], [0, 0]], [[2, 1], [1, 3]]], HALF),
    "entry 1e400": MatrixFamily.from_matrices([[[BIG, 1], [1, 1]], [[2, 1], [1, 3]]], HALF),
    "entry 1e-400": MatrixFamily.from_matrices([[["1/" + BIG, 1], [1, 1]], [[2, 1], [1, 3]]], HALF),
    "all entries 1e400": MatrixFamily.from_matrices([[[BIG, BIG], [0, BIG]], [[BIG, 0], [BIG, BIG]]], HALF),
    "c_1 near 1": sgd([[1, "1/2"], ["1/2", "3/2"]], "1.000000001"),
    "c_2 near 2": sgd(K2, "1.000000001"),
    "c = 2: lambda = 0": sgd([[1, "1/2"], ["1/2", 1]], 2),
    "near parallel": sgd([[1, "0.999999"], ["0.999999", "3/2"]], "3/2"),
    "rotation": MatrixFamily.from_matrices([[["3/5", "-4/5"], ["4/5", "3/5"]]], ["1"]),
    "Jordan block": MatrixFamily.from_matrices([[[1, 1], [0, 1]]], ["1"]),
    "diagonal": MatrixFamily.from_matrices([[[2, 0], [0, 3]], [["1/2", 0], [0, "1/5"]]], HALF),
    "triangular": MatrixFamily.from_matrices([[[2, 1], [0, 3]], [["1/2", 1], [0, "1/5"]]], HALF),
    "scalar": MatrixFamily.from_matrices([[[2, 0], [0, 2]], [["1/2", 0], [0, "1/2"]]], HALF),
    "permuting axes": MatrixFamily.from_matrices([[[0, 2], [1, 0]], [[1, 0], [0, 3]]], HALF),
    "badly scaled": sgd([["1e-6", "1/2"], ["1/2", "1e6"]], "2.5e-6"),
    "tiny step size": sgd(K2, "1e-9"),
    "huge step size": sgd(K2, "1e9"),
    "equal columns": MatrixFamily.from_matrices([[[1, 1], [1, 1]], [[1, 2], [0, 1]]], HALF),
    "dimension 1": MatrixFamily.from_matrices([[[2]]], ["1"]),
    "identity": MatrixFamily.from_matrices([[[1, 0], [0, 1]]], ["1"]),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [None, Fraction(1, 10**6)])
def test_hostile_families_end_with_a_reason_or_a_proof(name: str, width: Fraction | None) -> None:
    began = time.monotonic()
    result = accepted(HOSTILE[name], planar_sandwich(HOSTILE[name], width=width, time_limit=0.8))
    assert time.monotonic() - began < 10
    assert result.reason or (result.lower and result.upper)
    if result.lower and result.upper:
        assert result.lower.value <= result.upper.value


def test_scaling_shifts_lambda() -> None:
    """lambda(c A) = lambda(A) + log c."""
    scaled = MatrixFamily.from_matrices([[["2e30", "1e30"], ["1e30", "1e30"]], [["3e30", "1e30"], ["2e30", "1e30"]]], HALF)
    lower, upper = bounds(scaled, width=Fraction(1, 10**8))
    value = Fraction("1.1433110351029492") + Fraction("69.077552789821370521")
    assert lower <= value + Fraction(1, 10**14)
    assert upper >= value - Fraction(1, 10**14)


def test_one_side_only() -> None:
    family = sgd(K2, "101/100")
    result = accepted(family, planar_sandwich(family, sides=("upper",)))
    assert result.lower is None
    assert result.reason == ""
    assert result.upper is not None
    assert result.upper.value < 0


def test_deterministic_and_reports_progress() -> None:
    seen: list[str] = []
    family = sgd(K2, "13/10")
    first = planar_sandwich(family, width=Fraction(1, 10**9), progress=seen.append)
    assert first == planar_sandwich(family, width=Fraction(1, 10**9))
    assert seen


def test_time_limit_ends_with_a_reason() -> None:
    result = accepted(FIBONACCI, planar_sandwich(FIBONACCI, width=Fraction(1, 10**9), time_limit=0.5))
    assert "not reached" in result.reason or "bound" in result.reason


def test_checker_rejects_a_tightened_bound_and_a_damaged_proof() -> None:
    """Not only accepted: what is false is rejected."""
    family = sgd(K2, "101/100")
    result = planar_sandwich(family, width=Fraction(1, 10**6))
    assert result.upper is not None
    with pytest.raises(Rejected):
        check(certificate(family, "<=", result.upper.value - Fraction(1, 10**4), result.upper.proof))
    with pytest.raises(Rejected):
        check(certificate(sgd(K2, "103/100"), "<=", result.upper.value, result.upper.proof))
    damaged = copy.deepcopy(result.upper.proof)
    damaged["forms"][0][0] = str(2 * int(damaged["forms"][0][0]))
    with pytest.raises(Rejected):
        check(certificate(family, "<=", result.upper.value, damaged))


def integers(value: object) -> list[int]:
    if isinstance(value, list):
        return [n for x in value for n in integers(x)]
    return [abs(int(value))] if isinstance(value, str) and value.lstrip("-").isdigit() else []


SMALL = {
    "E6'": (sgd(K2, "101/100"), "<", 1),
    "eta = 105/100": (sgd(K2, "105/100"), "<", 3),
    "eta = 1052/1000": (sgd(K2, "1052/1000"), ">", 3),
    "eta = 11/10": (sgd(K2, "11/10"), ">", 3),
    "K12 = 9/10, eta = 51/100": (sgd([[1, "9/10"], ["9/10", 4]], "51/100"), "<", 3),
    "K12 = 9/10, eta = 6/10": (sgd([[1, "9/10"], ["9/10", 4]], "6/10"), ">", 3),
    "Pollicott": (POLLICOTT, ">", 1),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_sign_certificates(name: str) -> None:
    family, relation, cones = SMALL[name]
    found = small_sign_certificate(family)
    assert found is not None
    assert found[0] == relation
    proof = found[1]
    check(certificate(family, relation, Fraction(0), proof))
    assert proof["rho"] == "1"
    assert len(proof["cones"]) <= cones
    assert max(integers([proof["cones"], proof["forms"], proof["trees"]])) <= 999


def test_no_small_certificate_in_hard_cases() -> None:
    assert small_sign_certificate(HOSTILE["scalar"], time_limit=1.0) is None
    assert small_sign_certificate(HOSTILE["zero step"], time_limit=1.0) is None
