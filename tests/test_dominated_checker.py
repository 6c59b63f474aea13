"""The ball checker must fail: corrupted, truncated, mislabelled and hostile certificates; and the command line around it."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from verify import SGD, Problem, Rejected, check
from verify.certificate import check_balls as checker
from verify.certificate.check_balls import check_balls, check_balls_text
from verify.cli import main
from verify.exponent.dominated import Digits, lambda_digits
from verify.exponent.question import Question

POLLICOTT = Problem.from_matrices([[[2, 1], [1, 1]], [[3, 1], [2, 1]]])
PAIR_AND_ONE = Problem.from_gram([["1", "1/2", "0"], ["1/2", "2", "0"], ["0", "0", "3"]], SGD("1/4"))
Certificate = dict[str, Any]


def made(problem: Problem, digits: int = 30) -> Certificate:
    family = problem.family if problem.matrices is not None else None
    minimum, optimiser = (None, None) if problem.matrices is not None else problem.exact
    found = lambda_digits(Question(minimum, optimiser, family), problem.subject, digits)
    assert isinstance(found, Digits)
    return found.certificate


CERTIFICATE, TWO_PARTS = made(POLLICOTT), made(PAIR_AND_ONE)
ARCS = CERTIFICATE["proof"]["parts"][0]["arcs"]


def sealed(content: Certificate) -> Certificate:
    """With the id that belongs to it, so that it is the mathematics that fails."""
    body = {k: v for k, v in content.items() if k != "id"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return body | {"id": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}


def changed(change: Callable[[Certificate], object], certificate: Certificate = CERTIFICATE) -> Certificate:
    mutant = copy.deepcopy(certificate)
    change(mutant)
    return sealed(mutant)


def at(*path: Any, to: Any) -> Callable[[Certificate], object]:
    """Replace what is at the path; `to` may be a function of the old value."""

    def change(certificate: Certificate) -> None:
        place: Any = certificate
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


def in_arcs(*path: Any, to: Any) -> Callable[[Certificate], object]:
    return at("proof", "parts", 0, "arcs", *path, to=to)


def more(amount: Fraction) -> Callable[[str], str]:
    return lambda text: str(Fraction(text) + amount)


def more_steps(certificate: Certificate, count: int) -> None:
    subject = certificate["claim"]["subject"]
    subject["matrices"] += [[[str(k), "1"], ["1", "1"]] for k in range(3, 3 + count)]
    subject["weights"] += ["1"] * count
    certificate["proof"]["parts"][0]["component"] = list(range(2 + count))


TINY = Fraction(1, 10**29)

BROKEN: dict[str, Callable[[Certificate], object]] = {
    "interval moved up": lambda c: (at("claim", "lo", to=more(TINY))(c), at("claim", "hi", to=more(TINY))(c)),
    "interval moved down": lambda c: (at("claim", "lo", to=more(-TINY))(c), at("claim", "hi", to=more(-TINY))(c)),
    "interval and value moved": lambda c: (at("claim", "lo", to=more(TINY))(c), at("claim", "hi", to=more(TINY))(c), in_arcs("value", to=more(TINY))(c)),
    "interval a point": lambda c: at("claim", "hi", to=c["claim"]["lo"])(c),
    "interval reversed": lambda c: (at("claim", "hi", to=c["claim"]["lo"])(c), at("claim", "lo", to=CERTIFICATE["claim"]["hi"])(c)),
    "another quantity": at("claim", "quantity", to="mu"),
    "other weights": at("claim", "subject", "weights", to=["1", "2"]),
    "another matrix": at("claim", "subject", "matrices", 0, 0, 0, to="3"),
    "a family that is not dominated": at("claim", "subject", "matrices", to=[[["0", "1"], ["1", "1"]], [["0", "1"], ["1", "-1"]]]),
    "one more step": lambda c: more_steps(c, 1),
    "a step left out": lambda c: (
        c["claim"]["subject"]["matrices"].pop(),
        c["claim"]["subject"]["weights"].pop(),
        at("proof", "parts", 0, "component", to=[0])(c),
    ),
    "a range of step sizes": at(
        "claim", "subject", to={"optimiser": "sgd", "gram": [["1", "0"], ["0", "1"]], "step_size": ["0", "1"], "batch": 1, "replacement": True}
    ),
    "the standard format": at("format", to="sgd-verify-certificate"),
    "an unknown version": at("version", to=2),
    "a version that is true": at("version", to=True),
    "another requirement": at("requires", to="nothing"),
    "an unknown key": at("comment", to="trust me"),
    "no requirement": lambda c: c.pop("requires"),
    "a float": in_arcs("value", to=1.1433110351029493),
    "no parts": at("proof", "parts", to=[]),
    "a part that is no object": at("proof", "parts", 0, to="arcs"),
    "a part twice": lambda c: c["proof"]["parts"].append(c["proof"]["parts"][0]),
    "a part without arcs": at("proof", "parts", 0, to={"component": [0, 1]}),
    "a part with a note": at("proof", "parts", 0, "note", to="x"),
    "half a component": at("proof", "parts", 0, "component", to=[0]),
    "an unsorted component": at("proof", "parts", 0, "component", to=[1, 0]),
    "generators swapped": in_arcs("cones", 0, to=lambda cone: cone[::-1]),
    "generators equal": in_arcs("cones", 0, to=lambda cone: [cone[0], cone[0]]),
    "a zero generator": in_arcs("cones", 0, 1, to=["0", "0"]),
    "a generator reversed": in_arcs("cones", 0, 1, to=lambda ray: [str(-int(x)) for x in ray]),
    "a cone that is not mapped into itself": in_arcs("cones", 0, to=[["1", "0"], ["3", "1"]]),
    "reach one": in_arcs("reaches", 0, to="1"),
    "reach below one": in_arcs("reaches", 0, to="1/2"),
    "arcs too short to be invariant": in_arcs("reaches", 0, to="1000001/1000000"),
    "arcs too long": in_arcs("reaches", 0, to="1" + "0" * 40),
    "no reach": in_arcs("reaches", to=[]),
    "a target that is not there": in_arcs("targets", 0, 0, to=1),
    "a negative target": in_arcs("targets", 0, 0, to=-1),
    "a target that is true": in_arcs("targets", 0, 0, to=False),
    "targets of one step only": in_arcs("targets", to=lambda rows: rows[:1]),
    "a coefficient changed": in_arcs("coefficients", 0, 1, to=lambda x: str(int(x) + (1 << (ARCS["scale"] - 80)))),
    "a coefficient negated": in_arcs("coefficients", 0, 2, to=lambda x: str(-int(x))),
    "coefficients truncated": in_arcs("coefficients", 0, to=lambda row: row[: len(row) // 2]),
    "no coefficients": in_arcs("coefficients", 0, to=[]),
    "coefficients of two arcs": in_arcs("coefficients", to=lambda rows: rows * 2),
    "a coefficient of 3000 digits": in_arcs("coefficients", 0, 1, to="9" * 3000),
    "another scale": in_arcs("scale", to=lambda x: x + 1),
    "a huge scale": in_arcs("scale", to=8000),
    "an ellipse of zero width": in_arcs("ellipses", 0, to="1"),
    "an ellipse too thin": in_arcs("ellipses", 0, to="1001/1000"),
    "an ellipse outside the strip": in_arcs("ellipses", 0, to="1" + "0" * 9),
    "another value": in_arcs("value", to=more(TINY)),
    "value with an exponent": in_arcs("value", to="1e0"),
}


def test_the_originals_are_accepted() -> None:
    assert check_balls(CERTIFICATE).lo == Fraction(CERTIFICATE["claim"]["lo"])
    assert check_balls(TWO_PARTS).hi == Fraction(TWO_PARTS["claim"]["hi"])
    assert sealed(CERTIFICATE) == CERTIFICATE


@pytest.mark.parametrize("name", BROKEN)
def test_corrupted(name: str) -> None:
    with pytest.raises(Rejected):
        check_balls(changed(BROKEN[name]))


@pytest.mark.parametrize(
    "change",
    [
        at("proof", "parts", to=lambda parts: parts[:1]),
        at("proof", "parts", to=lambda parts: parts[1:]),
        at("proof", "parts", 0, "component", to=[0]),
        at("proof", "parts", 0, "component", to=[0, 2]),
        at("proof", "parts", 1, "component", to=[1]),
        at("proof", "parts", to=lambda parts: [parts[0], parts[0], parts[1]]),
        at("claim", "subject", "gram", to=[["1", "1/2", "1/9"], ["1/2", "2", "0"], ["1/9", "0", "3"]]),
        at("claim", "subject", "step_size", to="1/3"),
        at("claim", "subject", "batch", to=2),
        at("claim", "subject", "momentum", to="1/10"),
        at("claim", "subject", "weight_decay", to="1/10"),
    ],
)
def test_corrupted_components(change: Callable[[Certificate], object]) -> None:
    with pytest.raises(Rejected):
        check_balls(changed(change, TWO_PARTS))


def test_parts_may_stand_in_any_order() -> None:
    assert check_balls(changed(at("proof", "parts", to=lambda parts: parts[::-1]), TWO_PARTS)).lo == Fraction(TWO_PARTS["claim"]["lo"])


def test_exact_nodes_do_not_replace_the_tail() -> None:
    """Four coefficients solve the equation at four nodes to 40 digits: it is between them that they fail."""
    from verify.exponent.dominated._arcs import guesses, steps_of
    from verify.exponent.dominated._cones import proved
    from verify.exponent.dominated._poisson import Poisson

    arcs = next(found for proposal in guesses(steps_of(POLLICOTT.family.matrices)) if (found := proved(POLLICOTT.family, proposal)))
    series = Poisson(arcs).solve(4, 40)
    assert series.log_residual < -40
    few = {"coefficients": [[str(c) for c in row] for row in series.coefficients], "scale": series.bits, "value": str(series.value)}
    with pytest.raises(Rejected, match="does not imply"):
        check_balls(changed(at("proof", "parts", 0, "arcs", to=lambda witness: witness | few)))


def test_no_false_claim_survives_random_mutations() -> None:
    """The claim is false throughout; digits, entries and whole lists of the proof change at random."""
    generator = random.Random(0)
    false = copy.deepcopy(CERTIFICATE)
    for end in ("lo", "hi"):
        false["claim"][end] = str(Fraction(false["claim"][end]) + Fraction(1, 10**28))
    for _ in range(150):
        mutant = copy.deepcopy(false)
        witness = mutant["proof"]["parts"][0]["arcs"]
        for _ in range(generator.randint(1, 3)):
            key = generator.choice(sorted(witness))
            holder: Any = witness
            while isinstance(holder[key], list):
                holder = holder[key]
                key = generator.randrange(len(holder))
            old = holder[key]
            if isinstance(old, int):
                holder[key] = max(0, old + generator.choice([-40, -1, 1, 40]))
            else:
                i = generator.randrange(len(old))
                holder[key] = old[:i] + generator.choice("0123456789-/") + old[i + generator.randint(0, 1) :]
        if generator.random() < 0.5:
            witness["value"] = str((Fraction(mutant["claim"]["lo"]) + Fraction(mutant["claim"]["hi"])) / 2)
        with pytest.raises(Rejected):
            check_balls(sealed(mutant))


def test_the_id_is_checked() -> None:
    with pytest.raises(Rejected, match="id"):
        check_balls(CERTIFICATE | {"id": "sha256:" + "0" * 64})


def test_truncated_files() -> None:
    text = json.dumps(CERTIFICATE).encode()
    for length in (0, 1, len(text) // 2, len(text) - 1):
        with pytest.raises(Rejected):
            check_balls_text(text[:length])
    for hostile in (b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format": 1, "format": 1}', b'{"a": NaN}'):
        with pytest.raises(Rejected):
            check_balls_text(hostile)


def test_the_two_formats_are_not_confused() -> None:
    with pytest.raises(Rejected):
        check(CERTIFICATE)
    standard = POLLICOTT.lyapunov("1e-6")
    with pytest.raises(Rejected):
        check_balls(standard.certificate)  # type: ignore[union-attr]


HOSTILE: dict[str, Callable[[Certificate], object]] = {
    "very long series": in_arcs("coefficients", to=[["1"] * 5000]),
    "long and precise": lambda c: (in_arcs("coefficients", to=[["1" * 500] * 3000])(c), in_arcs("scale", to=7000)(c)),
    "too long a series": in_arcs("coefficients", to=[["0"] * 200_000]),
    "many arcs": lambda c: c["proof"]["parts"][0]["arcs"].update(
        {key: ARCS[key] * 65 for key in ("cones", "reaches", "ellipses", "coefficients")} | {"targets": [[0] * 65] * 2}
    ),
    "many steps": lambda c: (
        more_steps(c, 19_000),
        in_arcs("targets", to=[[0]] * 19_002)(c),
        in_arcs("coefficients", to=lambda rows: [rows[0] * 20])(c),
    ),
    "many digits in the family": at("claim", "subject", "matrices", to=[[["9" * 1999, "1"], ["1", "1"]], [["3", "1"], ["2", "1/" + "7" * 1999]]]),
    "many digits in the cones": in_arcs("cones", 0, 0, to=["9" * 1999, "1"]),
    "a thin ellipse and a huge reach": lambda c: (in_arcs("reaches", 0, to="9" * 1999)(c), in_arcs("ellipses", 0, to="1" + "0" * 1998 + "1/1" + "0" * 1999)(c)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sizes_are_rejected_quickly(name: str) -> None:
    mutant = changed(HOSTILE[name])
    began = time.process_time()
    with pytest.raises(Rejected):
        check_balls(mutant)
    assert time.process_time() - began < 8


# --- as a program, and through the command line ----------------------------------------------------------------------------------------------


def written(path: Path, content: Certificate) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("options", [[], ["-I"]])
def test_it_runs_alone(options: list[str], tmp_path: Path) -> None:
    script = checker.__file__
    good, bad = written(tmp_path / "good.json", CERTIFICATE), written(tmp_path / "bad.json", changed(BROKEN["another value"]))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *options, script, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=tmp_path)

    done = run(good)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("accepted (with python-flint): ")
    assert (run(bad).returncode, run(tmp_path / "none.json").returncode, run().returncode) == (1, 2, 2)
    assert run(bad).stdout.startswith("rejected: ")


def test_without_python_flint_it_says_so(tmp_path: Path) -> None:
    code = f"import sys, runpy; sys.modules['flint'] = None; sys.argv = ['x', 'y']; runpy.run_path({checker.__file__!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "python-flint" in done.stderr


def test_it_imports_nothing_of_the_package_but_the_trusted_checker(tmp_path: Path) -> None:
    """Not even the package it lies in: a copy of the two files is enough."""
    source = Path(checker.__file__)
    for name in ("check.py", "check_balls.py"):
        (tmp_path / name).write_text((source.parent / name).read_text())
    good = written(tmp_path / "good.json", CERTIFICATE)
    code = "import sys, runpy; sys.argv = sys.argv[1:]; sys.modules['verify'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, "check_balls.py", str(good)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


FILE = 'matrices = [[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]]\n'


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem, standard, balls = tmp_path / "p.toml", tmp_path / "standard.json", tmp_path / "balls.json"
    problem.write_text(FILE)
    assert main(["exponent", str(problem), "--digits", "50", "--certificate", str(standard), "--ball-certificate", str(balls), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["lambda"]
    assert (answer["sign"], answer["requires"], answer["certificate"], answer["ball_certificate"]) == ("positive", "python-flint", str(standard), str(balls))
    assert Fraction(answer["hi"]) - Fraction(answer["lo"]) <= Fraction(1, 10**50)
    assert check(json.loads(standard.read_text()))
    assert check_balls(json.loads(balls.read_text())).lo == Fraction(answer["lo"])
    for path, requirement in ((standard, None), (balls, "python-flint")):
        assert main(["recheck", str(path), "--json"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert (again["accepted"], again.get("requires")) == (True, requirement)
        assert {s["relation"] for s in again["statements"]} == {">=", "<="}
        assert main(["recheck", str(path)]) == 0
        assert ("requires python-flint" in capsys.readouterr().out) == bool(requirement)
    written(balls, changed(BROKEN["another value"]))
    assert main(["recheck", str(balls)]) == 1
    assert capsys.readouterr().out.startswith("rejected: ")


@pytest.mark.parametrize(
    "arguments", [["--ball-certificate", "x.json"], ["--digits", "0"], ["--digits", "1/2"], ["--digits", "100000"], ["--digits", "30", "--small"]]
)
def test_bad_usage(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text(FILE)
    assert main(["exponent", "p.toml", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "x.json").exists()


def test_digits_that_are_not_reached_are_exit_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem, balls = tmp_path / "p.toml", tmp_path / "balls.json"
    problem.write_text('matrices = [[["0", "1"], ["1", "1"]], [["0", "1"], ["1", "-1"]]]\n')
    assert main(["exponent", str(problem), "--digits", "40", "--ball-certificate", str(balls)]) == 1
    assert "elliptic" in " ".join(capsys.readouterr().out.split())
    assert not balls.exists()
