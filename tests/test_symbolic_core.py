"""The foundations of the symbolic layer: expressions from text, assumptions, exact zero tests, problems, problem files and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import verify
from verify.cli import main
from verify.symbolic import Exact, Step, SymbolicProblem, closed_form, load_symbolic_problem
from verify.symbolic.algebra import is_zero
from verify.symbolic.assumptions import declared, from_relations
from verify.symbolic.case import Case, Refused
from verify.symbolic.engine import derived
from verify.symbolic.expressions import parse
from verify.symbolic.rules import Rule

X, Y = sympy.symbols("x y", real=True)
ETA, K = sympy.Symbol("eta", positive=True), sympy.Symbol("k", real=True)
NAMES = {"x": X, "y": Y, "eta": ETA}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/3", sympy.Rational(1, 3)),
        ("0.1", sympy.Rational(1, 10)),
        ("-2e-3", -sympy.Rational(1, 500)),
        ("x**2 - 2*x*y", X**2 - 2 * X * Y),
        ("sqrt(2)*cos(pi/5)", sympy.sqrt(2) * sympy.cos(sympy.pi / 5)),
        ("Max(x, 0)", sympy.Max(X, 0)),
        ("+x", X),
        ("(1 - eta)/2", (1 - ETA) / 2),
    ],
)
def test_expressions(text: str, expected: Any) -> None:
    assert parse(text, NAMES, "t") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("z + 1", ["'z'", "column 1", "not a declared symbol"]),
        ("etta", ["did you mean eta"]),
        ("x^2", ["write **"]),
        ("__import__('os')", ["not one of the functions"]),
        ("x.real", ["not allowed"]),
        ("(lambda: 1)()", ["not allowed"]),
        ("x if x else y", ["not allowed"]),
        ("1 +", ["not an expression"]),
        ("", ["not an expression"]),
        ("x/0", ["divides by zero"]),
        ("x**1000000", ["exponent"]),
        ("(((9**64)**64)**64)**64", ["power that is too large"]),
        ("((1+x)**64+(2+x)**63)**64", ["power that is too large"]),
        ("2**(x*1000)", ["exponent"]),
        ("exp(exp(exp(10)))", ["exponent that is above"]),
        ("1/((x+1)**2-x**2-2*x-1)", ["divides by zero"]),
        ("9**9**9", ["exponent"]),
        ("sqrt(-1)", ["not a finite real"]),
        ("log(0)", ["not a finite real"]),
        ("sqrt(1, 2)", ["2 arguments"]),
        ("[x]", ["not allowed"]),
        ("'x'", ["is not a number"]),
        ("True", ["not a number"]),
        ("1j", ["not a number"]),
        ("x" * 3000, ["3000 characters"]),
        ("1e99999999", ["1000 digits"]),
        ("(" * 300 + "x" + ")" * 300, ["not an expression"]),
        ("-" * 100 + "x", ["nested"]),
    ],
)
def test_expressions_are_never_evaluated_as_code(text: str, words: list[str]) -> None:
    with pytest.raises(verify.InputError) as error:
        parse(text, NAMES, "gram[0][1]")
    assert all(word in str(error.value) for word in ["gram[0][1]", *words])
    assert "\n" not in str(error.value)


@given(st.text(max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_text_is_an_expression_or_a_clear_error(text: str) -> None:
    try:
        value = parse(text, NAMES, "t")
    except verify.InputError:
        return
    assert value.free_symbols <= set(NAMES.values())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"k": "1 < k < 0"}, ["contradicts itself"]),
        ({"k": "positive negative"}, ["contradicts itself"]),
        ({"k": "big"}, ["not known", "positive"]),
        ({"k": 3}, ["not text"]),
        ({"sin": "real"}, ["rename"]),
        ({"lambda": "real"}, ["rename"]),
        ({"a b": "real"}, ["rename"]),
        ({"k": "0 < x < 1"}, ["not known"]),
        ("eta", ["not a table"]),
        ({"k": ""}, ["not known"]),
    ],
)
def test_declarations_that_are_refused(table: Any, words: list[str]) -> None:
    with pytest.raises(verify.InputError) as error:
        declared(table)
    assert all(word in str(error.value) for word in words)


def test_signs_under_bounds() -> None:
    symbols, known = declared({"k": "0 < k < 1", "m": "-1 <= m <= 1", "t": "0 < t < pi/2", "eta": "positive", "r": "real"})
    k, m, t, eta, r = (symbols[name] for name in ("k", "m", "t", "eta", "r"))
    assert [known.sign(x) for x in (1 - k, k - 1, 1 - k**2, eta * (2 - k), k - k, r**2 + 1, 3 - m)] == [1, -1, 1, 1, 0, 1, 1]
    assert [known.sign(x) for x in (r, 1 - m, eta - 1, k - sympy.Rational(1, 2))] == [None] * 4
    assert known.sign(1 - m**2) is None  # zero at the closed ends
    assert known.nonnegative(1 - m)
    assert known.nonnegative(1 - m**2)
    assert known.sign(sympy.sin(t) * sympy.cos(t)) == 1
    a, b = sympy.symbols("a b", positive=True)
    assert from_relations([a * b - r**2 > 0]).sign(2 * r**2 - 2 * a * b) == -1
    with pytest.raises(verify.InputError, match="can hold"):
        from_relations([a < 0])  # SymPy itself knows that this is false
    with pytest.raises(verify.InputError, match="contradict"):
        from_relations([r < 1, r > 2])


@given(st.lists(st.fractions(min_value=-5, max_value=5, max_denominator=5), min_size=4, max_size=4), st.fractions(min_value=-3, max_value=3, max_denominator=7))
@settings(max_examples=30, deadline=None)
def test_a_claimed_sign_holds_at_every_point(coefficients: list[Any], at: Any) -> None:
    """Soundness of `sign`: a polynomial with a claimed sign on -3 < x < 3 or x > 0 has it at random points."""
    symbols, known = declared({"x": "-4 < x < 4", "p": "positive"})
    for symbol, value in ((symbols["x"], at), (symbols["p"], abs(at) + 1)):
        polynomial = sum(sympy.Rational(c.numerator, c.denominator) * symbol**n for n, c in enumerate(coefficients))
        sign, there = known.sign(polynomial), polynomial.subs(symbol, sympy.Rational(value.numerator, value.denominator)) if polynomial != 0 else 0
        assert sign is None or sign == sympy.sign(there)


@pytest.mark.parametrize(
    "expression",
    [
        (X + Y) ** 3 - X**3 - 3 * X**2 * Y - 3 * X * Y**2 - Y**3,
        sympy.sin(X) ** 2 + sympy.cos(X) ** 2 - 1,
        sympy.cos(2 * X) - 1 + 2 * sympy.sin(X) ** 2,
        sympy.sqrt(X**2 + 1) ** 2 - X**2 - 1,
        sympy.sqrt(2) * sympy.sqrt(3) - sympy.sqrt(6),
        sympy.cos(sympy.pi / 5) - (1 + sympy.sqrt(5)) / 4,
        sympy.sqrt(3 + 2 * sympy.sqrt(2)) - 1 - sympy.sqrt(2),
        1 / (1 + sympy.tan(X) ** 2) - sympy.cos(X) ** 2,
        sympy.sin(X + Y) - sympy.sin(X) * sympy.cos(Y) - sympy.cos(X) * sympy.sin(Y),
    ],
)
def test_identities_are_recognised_and_perturbed_ones_are_not(expression: Any) -> None:
    assert is_zero(expression)
    assert not is_zero(expression + sympy.Rational(1, 10**9))
    assert not is_zero(expression + X / 10**6)
    assert not is_zero(sympy.oo)


def test_a_derivation_that_does_not_check_is_refused() -> None:
    """The engine trusts no rule: a wrong identity, and no derivation at all, are refused by name."""
    case = Case(SymbolicProblem.from_gram([[K]], ETA))
    for derivation in ((Step("E0", "wrong", (K**2 - K,)),), ()):
        wrong = Rule("wrong rule", lambda *_, derivation=derivation: Exact("lambda", sympy.Integer(7), (), derivation))
        with pytest.raises(Refused, match="wrong rule: refused: its check does not simplify to zero"):
            derived("lambda", case, [wrong])
        right = Rule("right rule", lambda *_: Exact("lambda", sympy.Integer(1), (), (Step("E0", "right", (K - K,)),)))
        assert derived("lambda", case, [wrong, right]).rule == "right rule"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: SymbolicProblem.from_gram([[1, K], [2, 1]], ETA), ["not symmetric", "gram[1][0] = 2"]),
        (lambda: SymbolicProblem.from_gram([[1, 2], [2, 1]], ETA), ["v^T gram v < 0"]),
        (lambda: SymbolicProblem.from_gram([[1, 1 + K**2], [1 + K**2, 1]], ETA, assume=[K > 0]), ["not positive semidefinite", "minor"]),
        (lambda: SymbolicProblem.from_gram([[-(K**2) - 1]], ETA), ["not positive semidefinite", "gram[0][0]"]),
        (lambda: SymbolicProblem.from_gram([[0]], ETA), ["zero"]),
        (lambda: SymbolicProblem.from_gram([[1, K]], ETA), ["1 x 2"]),
        (lambda: SymbolicProblem.from_gram([[0.5]], ETA), ["float"]),
        (lambda: SymbolicProblem.from_gram([[0.5 * K]], ETA), ["float"]),
        (lambda: SymbolicProblem.from_gram([[1]], K), ["step_size", "not known to be positive"]),
        (lambda: SymbolicProblem.from_gram([[1]], 0), ["step_size", "not positive"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, batch=K), ["batch", "positive integer"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, batch="1/2"), ["batch = 1/2"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, batch=2, replacement=False), ["larger than the number of samples"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, momentum=1), ["momentum", "below 1"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, weights=[K]), ["weights[0]", "not known to be positive"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, kind="adam"), ["adam"]),
        (lambda: SymbolicProblem.from_gram([[1]], ETA, kind="gd", batch=2), ["gradient descent uses every sample"]),
        (lambda: SymbolicProblem.from_features([[1, 2], [K]], ETA), ["ragged"]),
        (lambda: SymbolicProblem.from_population("cauchy", 2, 1, ETA), ["cauchy"]),
        (lambda: SymbolicProblem.from_population("gaussian", "3/2", 1, ETA), ["positive integer"]),
        (lambda: SymbolicProblem.from_population("gaussian", 2, K, ETA), ["scale"]),
        (lambda: SymbolicProblem.of(verify.Problem.measured([[1.0]], verify.SGD("1"))), ["measured"]),
        (lambda: SymbolicProblem.from_matrices([[[1, 2]]]), ["square"]),
        (lambda: closed_form("x"), ["not a Problem"]),
    ],
)
def test_bad_problems(build: Any, words: list[str]) -> None:
    with pytest.raises(verify.InputError) as error:
        build()
    assert all(word in str(error.value) for word in words)


def test_values_are_checked_against_the_assumptions() -> None:
    k = sympy.Symbol("k", positive=True)
    problem = SymbolicProblem.from_gram([[k]], ETA, assume=[k < 2])
    answer = closed_form(problem).lambda_
    assert isinstance(answer, Exact)
    assert answer.at({"eta": "1/2", k: 1}) == -sympy.log(2)
    assert answer.at({"eta": 1, "k": 1}) == -sympy.oo
    assert answer.at({"eta": 3, "k": 1}) == sympy.log(2)
    for values, words in (({"k": 2}, "k < 2"), ({"k": -1}, "positive"), ({"q": 1}, "not a symbol"), ({"eta": 0.5}, "float")):
        with pytest.raises(verify.InputError, match=words):
            answer.at(values)
    certified = answer.certified({"eta": "1/2", "k": 1})
    assert certified is not None
    assert certified.sign is verify.Sign.NEGATIVE
    assert answer.certified({"eta": sympy.sqrt(2), "k": 1}) is None
    assert problem.at({"k": 1, "eta": "1/2"}).rational() is not None
    assert problem.at({"k": 1}).rational() is None


def test_values_that_break_a_condition_or_the_problem_are_refused() -> None:
    """A formula is not evaluated where its conditions fail: K = [[1, 1], [1, 1]] has mu = log(1/2), not the 0 that the formula for K > 0 would give."""
    problem = SymbolicProblem.from_gram([[1, K], [K, 1]], "1/2")
    mu = closed_form(problem, enclose=False).mu
    assert isinstance(mu, Exact)
    with pytest.raises(verify.InputError, match=r"condition .* fails at k = 1"):
        mu.at({"k": 1})
    singular = closed_form(problem.at({"k": 1})).mu
    assert isinstance(singular, Exact)
    assert singular.expression == -sympy.log(2)
    with pytest.raises(verify.InputError, match="v\\^T gram v < 0"):
        mu.at({"k": 5})
    b, size = sympy.Symbol("b", positive=True), sympy.Symbol("B", integer=True, positive=True)
    with pytest.raises(verify.InputError, match="momentum = 3/2"):
        SymbolicProblem.from_gram([[1]], 1, momentum=b).at({"b": "3/2"})
    with pytest.raises(verify.InputError, match="batch = 5"):
        SymbolicProblem.from_gram([[1, 0], [0, 1]], 1, batch=size, replacement=False).at({"B": 5})
    one = closed_form(SymbolicProblem.from_gram([[K]], "1/2")).lambda_
    assert isinstance(one, Exact)
    for value, words in ((-1, "not positive semidefinite|negative"), (0, "K = 0")):
        with pytest.raises(verify.InputError, match=words):
            one.at({"k": value})


def test_given_values_specialise_the_problem(tmp_path: Path, capsys: Any) -> None:
    content = {"symbols": {"eta": "positive", "k": "-1 < k < 1"}, "gram": [["1", "k"], ["k", "1"]], "optimiser": {"step_size": "eta"}}
    path = write(tmp_path / "p.json", content)
    assert main(["closed-form", path, "--at", "eta=2", "--at", "k=1/3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lambda"]["expression"] == "0"  # reflections
    assert main(["closed-form", path, "--at", "eta=3/2", "--at", "k=1/3", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["lambda"]["enclosure"]["sign"] == "negative"


def write(path: Path, content: Any) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_a_problem_file_with_symbols(tmp_path: Path, capsys: Any) -> None:
    content = {"symbols": {"eta": "positive", "x": "real"}, "features": [["x"], ["2*x"]], "optimiser": {"step_size": "eta"}}
    path = write(tmp_path / "p.json", content)
    assert main(["closed-form", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sympy.sympify(found["lambda"]["expression"]) == sympy.sympify("log(Abs(eta*x**2 - 1))/2 + log(Abs(4*eta*x**2 - 1))/2")
    assert found["lambda"]["conditions"] == ["5*x**2 > 0"]
    assert found["lambda"]["derivation"][0]["fact"] == "E4"
    assert found["assumptions"] == ["eta positive", "x real"]
    certificate = tmp_path / "c.json"
    assert main(["closed-form", path, "--at", "eta=1/10", "--at", "x=1", "--certificate", str(certificate), "--digits", "30"]) == 0
    shown = capsys.readouterr().out
    assert "-0.30809306971190849221" in shown
    assert main(["recheck", str(certificate)]) == 0
    capsys.readouterr()
    assert main(["closed-form", path, "--latex", "--thresholds"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith(r"\lambda = ")


def test_numbers_need_no_symbols(tmp_path: Path) -> None:
    assert load_symbolic_problem("example:iris-pair").rational() is not None
    angle = write(tmp_path / "p.json", {"features": [["1", "0"], ["cos(pi/5)", "sin(pi/5)"]], "optimiser": {"step_size": "sqrt(2)"}})
    assert load_symbolic_problem(angle).kernel[0, 1] == sympy.cos(sympy.pi / 5)


OPTIMISER = {"step_size": "eta"}
DECLARED = {"eta": "positive"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"symbols": DECLARED, "gram": [["k"]], "optimiser": OPTIMISER}, ["gram[0][0]", "'k'", "declare it"]),
        ({"symbols": DECLARED, "gram": [[0.5]], "optimiser": OPTIMISER}, ["float"]),
        ({"symbols": DECLARED, "gram": [["1"]]}, ["optimiser is missing"]),
        ({"symbols": DECLARED, "gram": [["1"]], "optimiser": {}}, ["step_size is missing"]),
        ({"symbols": DECLARED, "gram": [["1"]], "features": [["1"]], "optimiser": OPTIMISER}, ["both given"]),
        ({"symbols": DECLARED, "gram": "1", "optimiser": OPTIMISER}, ["not a list of rows"]),
        ({"symbols": DECLARED, "gram": [["1"]], "optimiser": OPTIMISER | {"momentun": "0"}}, ["did you mean momentum"]),
        ({"symbols": DECLARED, "features_csv": "x.csv", "optimiser": OPTIMISER}, ["no source"]),
        ({"symbols": {"eta": "1 < eta < 0"}, "gram": [["1"]], "optimiser": OPTIMISER}, ["symbols.eta", "contradicts"]),
        ({"symbols": DECLARED, "gram": [["1", "2"], ["2", "1"]], "optimiser": OPTIMISER}, ["indefinite"]),
        ({"symbols": DECLARED, "population": {"law": "gaussian"}, "optimiser": OPTIMISER}, ["dimension is missing"]),
        ({"symbols": DECLARED, "gram": [["1"]], "optimiser": OPTIMISER | {"batch": "1/2"}}, ["batch"]),
        ({"symbols": DECLARED, "population": {"law": "gaussian", "dimension": 2}, "optimiser": OPTIMISER | {"batch": 2}}, ["afresh"]),
        ({"symbols": DECLARED, "matrices": "a"}, ["not a list of matrices"]),
    ],
)
def test_bad_problem_files_at_the_command_line(tmp_path: Path, capsys: Any, content: Any, words: list[str]) -> None:
    assert main(["closed-form", write(tmp_path / "p.json", content)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in words)


@pytest.mark.parametrize(
    "arguments",
    [["--at", "eta"], ["--at", "q=1"], ["--at", "eta=-1"], ["--at", "eta=0.5x"], ["--digits", "0"], ["--digits", "5000"], ["--certificate", "c.json"]],
)
def test_bad_options(tmp_path: Path, capsys: Any, monkeypatch: Any, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "p.json", {"symbols": DECLARED, "gram": [["1"]], "optimiser": OPTIMISER})
    assert main(["closed-form", path, *arguments]) == 2
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "c.json").exists()


def test_unsolved_problems_list_the_rules_and_enclose(tmp_path: Path, capsys: Any) -> None:
    path = write(tmp_path / "p.json", {"gram": [["1", "1/2"], ["1/2", "2"]], "optimiser": {"step_size": "101/100"}})
    assert main(["closed-form", path, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["lambda"]
    assert found["expression"] is None
    assert "one dimension" in found["reason"]
    assert found["enclosure"]["sign"] == "negative"
    assert main(["closed-form", path]) == 1
    assert "instead" in capsys.readouterr().out
