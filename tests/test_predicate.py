"""Free predicates: the grammar, its errors, exact and certified judgements, and conjunctions of certificates."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, InputError, Problem, check, strategies
from verify.predicate import Predicate, conjunction, parse_predicate
from verify.predicate.evidence import Evidence
from verify.predicate.interval import Interval
from verify.predicate.judge import spelled
from verify.search.batch import Batch

SMALL = Problem.from_gram([[2, 3], [3, 5]], SGD("3/5"))  # lambda < 0 < mu, ms > 0
EASY = Problem.from_gram([[2, 1], [1, 2]], SGD("3/4"))  # lambda < 0 by E5; kappa = 1, 3


def holds(text: str, problem: Problem = SMALL) -> bool | None:
    return parse_predicate(text, problem.exact[0].size).judge(problem).holds


@pytest.mark.parametrize(
    "text",
    [
        "c1 == 6/5 and c2 == 3",
        "c1 == 1.2",
        "k12 == 3 and k21 == k1_2",
        "eta == 6e-1",
        "k12**2 < k11*k22",
        "-k12 + 4 > 0",
        "2*eta < c1 + 1e-9 and not (eta >= 1)",
        "abs(c1 - 2) == 4/5",
        "1 < c1 < c2 <= 3 < k22",
        "c1 > 7 or (c1 < 2 and c2 > 2)",
        "k11**-1 == 1/2",
        "kappa_max > 6 and kappa_max < 7",
        "0.14 < kappa_min < 0.15",
        "kappa_min * kappa_max == 1",
        "kappa_min + kappa_max == 7",
        "kappa_max / kappa_min > 40",
        "kappa_max != 7",
    ],
)
def test_exact_comparisons(text: str) -> None:
    judged = parse_predicate(text, 2).judge(SMALL)
    assert judged.holds is True
    assert judged.certificate is None
    assert parse_predicate(f"not ({text})", 2).judge(SMALL).holds is False


EXACT_EIGENVALUES = {
    "kappa_max == 3": True, "kappa_max > 3": False, "kappa_max >= 3": True, "kappa_max < 3": False, "kappa_min == 1": True, "kappa_min < 1": False,
    "kappa_min <= 1": True, "2 * kappa_min > 2": False, "kappa_max == 3 * kappa_min": True, "kappa_max - 3 * kappa_min > 0": False, "3 - kappa_max < 0": False,
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXACT_EIGENVALUES.items())
def test_eigenvalues_at_their_exact_values(text: str, expected: bool) -> None:
    assert holds(text, EASY) is expected


def test_eigenvalues_of_a_singular_matrix_are_the_nonzero_ones() -> None:
    assert holds("kappa_min == kappa_max == 5", Problem.from_gram([[1, 2], [2, 4]], SGD(1)))


def test_signs_come_with_the_conjunction_of_their_certificates() -> None:
    judged = parse_predicate("lambda < 0 and ms > 0 and mu > 0", 2).judge(SMALL)
    assert judged.holds is True
    assert judged.margin is not None
    assert judged.margin > 0
    assert judged.certificate is not None
    statements = check(judged.certificate)
    assert {(s.quantity, s.sign) for s in statements} >= {("lambda", "negative"), ("mu", "positive"), ("ms", "positive")}


def test_only_what_decides_is_certified() -> None:
    """`and` fails by its cheapest failing part, `or` holds by its cheapest; nothing about lambda is searched for."""
    failed = parse_predicate("lambda < 0 and mu < 0", 2).judge(SMALL)
    assert failed.holds is False
    assert failed.certificate is not None
    assert {s.quantity for s in check(failed.certificate)} == {"mu"}
    assert parse_predicate("lambda > 0 or c2 == 3", 2).judge(SMALL).certificate is None


def test_ms_is_twice_the_mean_square_exponent() -> None:
    """ms = log rho(E[A (x) A]): N = 1 with eta K = 1/2 gives log(1/4), while certificates and mean_square() speak of log(1/2)."""
    one = Problem.from_gram([[1]], SGD("1/2"))
    assert holds("-1.3863 < ms < -1.3862", one) is True
    assert holds("-0.6932 < ms < -0.6931", one) is False
    lo, hi = one.mean_square().ends
    interval, _ = Evidence(one).interval("ms", None)
    assert lo is not None
    assert hi is not None
    assert (interval.lo, interval.hi) == (2 * lo, 2 * hi)


CERTIFIED = {
    "lambda < 0 < mu": True, "-1/10 < lambda": True, "lambda < -1/10": False, "lambda < mu": True, "abs(lambda) < 1/10": True, "lambda * mu < 0": True,
    "2 * lambda - mu < 0": True, "lambda <= ms / 2": True, "lambda == 0": False, "mu - 1/20 > 0": True, "lambda < kappa_max": True,
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CERTIFIED.items())
def test_comparisons_with_numbers_follow_from_certified_enclosures(text: str, expected: bool) -> None:
    judged = parse_predicate(text, 2).judge(SMALL)
    assert judged.holds is expected
    assert judged.certificate is not None
    assert check(judged.certificate)


def test_exact_zero() -> None:
    at_threshold = Problem.from_gram([[2, 1], [1, 2]], SGD(1))
    assert holds("lambda == 0", at_threshold) is True
    assert holds("lambda < 0 or lambda > 0", at_threshold) is False


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem.from_gram([[1, "1/2", "1/3"], ["1/2", 2, "1/5"], ["1/3", "1/5", 2]], SGD("21/20")), "lambda < -1/1000000 or lambda >= 0"),
        (SMALL, "1/(k12 - 3) > 0"),
        (SMALL, "lambda == lambda + 1/(c2 - 3)"),
    ],
)
def test_what_is_not_proved_is_undecided_with_a_reason(problem: Problem, text: str) -> None:
    judged = parse_predicate(text, problem.exact[0].size).judge(problem, time_limit=0.05)
    assert judged.holds is None
    assert judged.margin is None
    assert judged.certificate is None
    assert judged.reason


def test_kleene_logic_with_an_undecided_part() -> None:
    assert holds("1/(k12 - 3) > 0 and c1 < 0") is False
    assert holds("1/(k12 - 3) > 0 or c1 > 0") is True
    assert holds("1/(k12 - 3) > 0 and c1 > 0") is None
    assert holds("not (1/(k12 - 3) > 0)") is None


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 1, "expected a number, a name"),
        ("lambda <", 9, "found the end of the text"),
        ("lambda", 7, "expected a comparison"),
        ("lamda < 0", 1, "did you mean lambda?"),
        ("c3 > 1", 1, "an index from 1 to 2"),
        ("k13 > 1", 1, "an index from 1 to 2"),
        ("c0 > 1", 1, "an index from 1 to 2"),
        ("lambda < 0 and", 15, "the end of the text"),
        ("(lambda < 0", 12, 'expected ")"'),
        ("lambda = 0", 8, "write == for equality"),
        ("lambda < 0 && mu > 0", 12, "write and"),
        ("lambda < 0 mu > 0", 12, "or the end"),
        ("lambda < (mu < 0)", 10, "a number, not a comparison"),
        ("not lambda", 11, "expected a comparison"),
        ("3 and 4 < 5", 3, "expected a comparison"),
        ("c1**c2 < 1", 5, "an integer exponent"),
        ("c1**999 < 1", 5, "an integer exponent"),
        ("abs lambda < 1", 5, 'expected "("'),
        ("__import__('os')", 12, "found \"'\""),
        ("lambda.real < 0", 7, "found '.'"),
        ("c1; c2", 3, "found ';'"),
        ("eval(1) < 2", 1, "a name such as"),
        ("lambda < 1e99999", 10, "digits"),
    ],
)
def test_malformed_predicates_name_the_position_and_what_was_expected(text: str, position: int, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_predicate(text, 2)
    assert f"position {position}" in str(refusal.value)
    assert says in str(refusal.value)


def test_other_bad_input() -> None:
    for text in ("(" * 60 + "1", "-" * 60 + "1 < 2", "not " * 60 + "1 < 2"):
        with pytest.raises(InputError, match="nested more than"):
            parse_predicate(text, 2)
    with pytest.raises(InputError, match="characters"):
        parse_predicate("1 < 2 and " * 900, 2)
    with pytest.raises(InputError, match="is not text"):
        parse_predicate(3, 2)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="points"):
        parse_predicate("lambda < 0", 0)
    with pytest.raises(InputError, match="2 data points"):
        parse_predicate("lambda < 0", 2).judge(Problem.from_gram([[1]], SGD(1)))
    with pytest.raises(InputError, match="bits"):
        parse_predicate("(((c1**64)**64)**64)**64 > 1", 2).judge(SMALL)


def test_precedence_and_spelling() -> None:
    predicate = parse_predicate("lambda<0 or mu<0 and not ms<0", 2)
    assert spelled(predicate.tree) == "(lambda < 0 or (mu < 0 and not (ms < 0)))"
    assert holds("2 + 3 * 2**2 == 14 and -2**2 == -4 and 8/4/2 == 1 and 5 - 2 - 1 == 2")


def test_scale_and_symmetry_of_a_predicate() -> None:
    assert parse_predicate("lambda < 0 and ms > 0", 2).scale_free
    assert parse_predicate("lambda < 0 and c1 > 0", 2).scale_free
    assert not parse_predicate("lambda < 0 and eta > 0", 2).scale_free
    assert parse_predicate("lambda < 0 and kappa_max > 1", 2).symmetric
    assert not parse_predicate("c1 > c2", 2).symmetric


numbers = st.integers(-4, 4)
terms: Any = st.recursive(
    st.one_of(numbers.filter(lambda x: x >= 0).map(str), st.sampled_from(["c1", "c2", "k12", "eta"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        inner.map("abs({})".format),
        inner.map("(-{})".format),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(terms, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), terms)
def test_arithmetic_agrees_with_python_and_survives_being_spelled(left: str, operator: str, right: str) -> None:
    text = f"{left} {operator} {right}"
    predicate = parse_predicate(text, 2)
    names = {"c1": Fraction(6, 5), "c2": Fraction(3), "k12": Fraction(3), "eta": Fraction(3, 5), "abs": abs}
    expected = eval(text, {"__builtins__": {}}, names)  # the oracle of this test, on text made above
    assert predicate.judge(SMALL).holds is expected
    assert parse_predicate(spelled(predicate.tree), 2).judge(SMALL).holds is expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(*[st.fractions(-3, 3, max_denominator=5)] * 4, st.sampled_from(["+", "*", "abs", "pow"]))
def test_intervals_hold_the_values_of_their_members(a: Fraction, b: Fraction, x: Fraction, y: Fraction, operation: str) -> None:
    first, second = Interval(min(a, x), max(a, x)), Interval(min(b, y), max(b, y))
    found = {"+": first + second, "*": first * second, "abs": abs(first), "pow": first**3}[operation]
    value = {"+": x + y, "*": x * y, "abs": abs(x), "pow": x**3}[operation]
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo <= value <= found.hi
    if first.compared("<") is not None:
        assert (x < 0) is first.compared("<")


def test_conjunction_keeps_every_claim_once() -> None:
    other = Problem.from_gram([[1]], SGD("1/2"))
    pieces = [SMALL.mu(), other.mu(), SMALL.mu(), other.lyapunov()]
    merged = conjunction(getattr(piece, "certificate", None) for piece in pieces)
    assert merged is not None
    statements = check(merged)
    assert len({(str(s.subject), s.quantity, s.relation, s.value) for s in statements}) == len(statements)
    assert {s.quantity for s in statements} == {"mu", "lambda"}
    assert conjunction([None, None]) is None


@settings(max_examples=12, deadline=None, derandomize=True)
@given(strategies.problems(2, regular=True))
def test_margins_agree_with_certified_verdicts(problem: Problem) -> None:
    """A clearly positive or negative floating-point margin has the sign of the exact verdict."""
    gram = np.array([[float(x) for x in row] for row in problem.exact[0].gram])[None, None]
    batch = Batch(gram, np.array([[float(problem.exact[1].step_size)]]))
    for text in ("lambda < 0", "mu < 0", "ms < 0", "c1 < 2 and kappa_max > 3"):
        predicate: Predicate = parse_predicate(text, 2)
        judged = predicate.judge(problem, time_limit=2)
        if predicate.margins(batch)[0] > 0.05:
            assert judged.holds is not False
        if predicate.violations(batch)[0] > 0.05:
            assert judged.holds is not True


def test_a_constant_zero_is_no_divisor() -> None:
    with pytest.raises(InputError, match="a divisor other than 0 at position 9"):
        parse_predicate("eta < 1/0", 2)
