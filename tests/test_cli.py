"""The command line as a user meets it: exit codes, one line on standard error, nothing half-written, stable keys."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from verify.cli import main

SGD = '\n[optimiser]\nkind = "sgd"\nstep_size = "{}"\n'
E6 = 'gram = [["1", "1/2"], ["1/2", "2"]]'
EQUAL = 'gram = [["1", "1/2", "0"], ["1/2", "1", "1/3"], ["0", "1/3", "1"]]'
X_KEYS = {"kind", "lo", "hi", "decimal", "sign", "method", "reason", "certificate"}


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


@pytest.fixture
def problem(tmp_path):
    def written(text=E6, step_size="101/100", name="p.toml"):
        path = tmp_path / name
        path.write_text(text + (SGD.format(step_size) if step_size else ""))
        return path

    return written


def command(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "verify", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **options)


def test_exponent_json_with_certificates_that_the_bare_checker_accepts(run, problem, tmp_path):
    out = tmp_path / "cert.json"
    code, text, err = run("exponent", problem(), "--json", "--certificate", out)
    assert (code, err) == (0, "")
    answer = json.loads(text)
    assert set(answer) == {"mu", "lambda"}
    assert set(answer["lambda"]) == X_KEYS
    assert set(answer["mu"]) == X_KEYS | {"expression"}
    assert answer["mu"]["sign"] == answer["lambda"]["sign"] == "negative"
    assert Fraction(answer["lambda"]["hi"]) < 0
    assert answer["lambda"]["certificate"] == str(out)
    assert answer["mu"]["certificate"] == str(tmp_path / "cert.mu.json")
    checker = Path(sys.modules["verify.certificate.check"].__file__)
    for path in (out, tmp_path / "cert.mu.json"):
        done = subprocess.run([sys.executable, "-I", str(checker), str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert run("recheck", path)[0] == 0


def test_width_is_two_sided_and_reached(run, problem):
    code, text, _ = run("exponent", problem(), "--json", "--width", "1e-3")
    found = json.loads(text)["lambda"]
    assert code == 0
    assert Fraction(found["hi"]) - Fraction(found["lo"]) <= Fraction(1, 1000)


def test_lambda_of_gradient_descent_is_mu(run, problem):
    code, text, _ = run("exponent", problem(E6 + SGD.format("1/2").replace("sgd", "gd"), None), "--json")
    answer = json.loads(text)
    assert code == 0
    assert answer["lambda"]["expression"] == answer["mu"]["expression"]


def test_matrices_have_no_mu(run, problem):
    code, text, _ = run("exponent", problem('matrices = [[["2", "0"], ["0", "3"]]]', None), "--json")
    assert json.loads(text)["mu"] is None
    assert json.loads(text)["lambda"]["sign"] == "positive"
    assert code == 0


def test_an_estimate_is_undecided_and_exits_with_1(run, problem):
    # Five samples between the ends of E6 with ms > 0: no elementary fact decides.
    rows = [[str(i + 1) if i == j else "1/2" for j in range(5)] for i in range(5)]
    path = problem(f"gram = {json.dumps(rows)}", "3/5")
    code, text, _ = run("exponent", path, "--json", "--time-limit", "1", "--certificate", path.with_name("c.json"))
    found = json.loads(text)["lambda"]
    assert (code, found["kind"], found["sign"], found["certificate"]) == (1, "estimate", "undecided", None)
    assert set(found) == X_KEYS | {"likely", "confidence"}
    assert not path.with_name("c.json").exists()


def test_width_not_reached_exits_with_1(run):
    code, text, _ = run("exponent", "example:iris-four", "--json", "--width", "1e-9", "--time-limit", "1")
    assert code == 1
    assert json.loads(text)["lambda"]["sign"] == "negative"


def test_small_certificate_can_be_checked_by_hand(run, problem, tmp_path):
    out = tmp_path / "small.json"
    code, text, _ = run("exponent", problem(), "--small", "--certificate", out)
    assert code == 0
    for part in ("lambda < 0", "Cone 1, spanned by", "h(v)", "A_1 v", "h(A_1 v) h(A_2 v) - h(v)^2"):
        assert part in text
    proof = json.loads(out.read_text())["proof"]
    integers = [x for group in (*proof["cones"], proof["forms"]) for row in group for x in row]
    assert len(proof["cones"]) <= 3
    assert all(len(x.lstrip("-")) <= 3 for x in integers)
    assert run("recheck", out)[0] == 0


def test_the_coefficients_of_a_small_certificate_add_up(run, problem):
    """The polynomial that is printed is h(A_1 v) h(A_2 v) - h(v)^2, recomputed here from the printed cone and form at s = t = 1."""
    import verify
    from verify.certificate.written import _composed, _image, _times

    path = problem()
    _, text, _ = run("exponent", path, "--small", "--json", "--certificate", path.with_name("s.json"))
    assert json.loads(text)["small"]
    proof = json.loads(path.with_name("s.json").read_text())["proof"]
    assert (len(proof["cones"]), proof["degree"], len(proof["trees"][0])) == (1, 1, 1)
    cone, form = [[int(x) for x in e] for e in proof["cones"][0]], [int(x) for x in proof["forms"][0]]
    matrices = verify.load_problem(path).family.matrices
    product = [Fraction(1)]
    for a in matrices:
        product = _times(product, _composed(form, _image(a, cone, [[1, 0], [0, 1]], cone)))
    v = [x + y for x, y in zip(*cone, strict=True)]

    def h(w):
        (p, q), (r, s) = cone
        det = Fraction(p * s - q * r)
        return form[0] * (w[0] * s - w[1] * r) / det + form[1] * (w[1] * p - w[0] * q) / det

    assert sum(product) == h([sum(x * y for x, y in zip(row, v, strict=True)) for row in matrices[0]]) * h(
        [sum(x * y for x, y in zip(row, v, strict=True)) for row in matrices[1]]
    )


def test_threshold_json(run, problem):
    code, text, _ = run("threshold", problem(EQUAL), "--json")
    assert code == 0
    assert json.loads(text) | {"method": "", "reason": ""} == {
        "lo": "2",
        "hi": "2",
        "decimal": [2.0, 2.0],
        "kind": "certified",
        "first": True,
        "method": "",
        "reason": "",
    }
    code, text, _ = run("threshold", problem(), "--width", "1e-3")
    assert code == 0
    assert "certified" in text


def test_recheck_rejects_with_1_and_unreadable_with_2(run, problem, tmp_path):
    out = tmp_path / "c.json"
    run("exponent", problem(EQUAL, "1"), "--certificate", out)
    code, text, _ = run("recheck", out, "--json")
    assert code == 0
    assert json.loads(text)["statements"][0]["sign"] == "negative"
    out.write_text(out.read_text().replace('"step_size":"1"', '"step_size":"3"'))
    code, text, _ = run("recheck", out)
    assert code == 1
    assert text.startswith("rejected: ")
    assert json.loads(run("recheck", out, "--json")[1])["accepted"] is False
    for bad in ("", "{", "[" * 100_000, '{"a": 1, "a": 2}', '{"a": 0.5}'):
        out.write_text(bad)
        code, text, err = run("recheck", out)
        assert (code, err) == (1, "")
        assert text.count("\n") == 1
    assert run("recheck", tmp_path / "no.json")[0] == 2
    assert run("recheck", tmp_path)[0] == 2


def test_sweep_writes_a_table(run, problem, tmp_path):
    out = tmp_path / "t.csv"
    code, text, _ = run("sweep", problem(EQUAL), "--from", "1/2", "--to", "3", "--steps", "3", "--csv", out, "--json")
    assert code == 0
    assert json.loads(text) == {"csv": str(out), "rows": 3, "decided": 3}
    header, *rows = [line.split(",") for line in out.read_text().splitlines()]
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["step_size"] for row in table] == ["1/2", "7/4", "3"]
    assert [row["lambda_sign"] for row in table] == ["negative", "negative", "positive"]
    for row in table:
        assert Fraction(row["mu_lo"]) <= Fraction(row["mu_hi"])
        assert float(row["mu_lo_decimal"]) <= Fraction(row["mu_lo"])
        assert row["number_kind"] in ("estimate", "enclosure")


def test_analyse_json_has_the_documented_keys(run):
    code, text, err = run("analyse", "example:iris-four", "--json", "--time-limit", "2")
    assert (code, err) == (0, "")
    answer = json.loads(text)
    expected = "problem c components regularity mu lambda lambda_number mean_square thresholds verdicts decided figure"
    assert set(answer) == set(expected.split())
    assert set(answer["thresholds"]) == {"gd", "mean_square", "sgd", "bracket", "notes"}
    assert [v["statement"] for v in answer["verdicts"]] == ["T1", "T3", "T2", "T3"]
    documented = Path(sys.modules["verify"].__file__).with_name("JSON.md").read_text()
    for key in (*answer, *answer["verdicts"][0], *answer["lambda"], *answer["problem"]):
        assert f"`{key}`" in documented or f'"{key}"' in documented, key


def test_analyse_text_is_plain_in_a_pipe(run):
    code, text, _ = run("analyse", "example:iris-four-large", "--time-limit", "2")
    assert code == 0
    assert "\x1b" not in text
    for part in ("c_i = eta K_ii", "mu ", "lambda", "2/max K_ii", "eta_det", "GD 2N/kappa_max", "T1 for GD", "T2 for SGD", "T3 for SGD", "H3 non-singular"):
        assert part in text


BAD_INPUT = {
    "missing": (None, "does not exist"),
    "ragged": ('features = [["1"], ["1", "2"]]' + SGD.format("1"), "ragged"),
    "letters": ('features = [["1", "2x"]]' + SGD.format("1"), "'2x' is not a number"),
    "empty": ("features = []" + SGD.format("1"), "nonempty"),
    "zero step": (E6 + SGD.format("0"), "not positive"),
    "negative step": (E6 + SGD.format("-1"), "not positive"),
    "batch": (E6 + SGD.format("1") + "batch = 3\nreplacement = false", "larger than the number of samples"),
    "indefinite": ("gram = [[1, 2], [2, 1]]" + SGD.format("1"), "v^T gram v < 0 for v = "),
    "zero": ("gram = [[0]]" + SGD.format("1"), "gram is zero"),
    "float": ("gram = [[0.1]]" + SGD.format("1"), 'write "0.1"'),
}


@pytest.mark.parametrize("verb", ["analyse", "exponent", "threshold", "sweep"])
@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(run, problem, tmp_path, case, verb):
    text, message = BAD_INPUT[case]
    path = problem(text, None) if text else tmp_path / "no.toml"
    more = ["--from", "1", "--to", "2", "--steps", "2", "--csv", tmp_path / "t.csv"] if verb == "sweep" else []
    code, out, err = run(verb, path, *more)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("sgd-verify: ")
    assert message in err
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["analyze"],
        ["exponent"],
        ["exponent", "example:iris-pair", "--width", "0"],
        ["exponent", "example:iris-pair", "--width", "x"],
        ["exponent", "example:iris-pair", "--wid", "1"],
        ["exponent", "example:iris-pair", "--time-limit", "nan"],
        ["exponent", "example:iris-pair", "--seed", "-1"],
        ["exponent", "example:iris-pair", "--small", "--width", "1"],
        ["exponent", "example:iris-four", "--small"],
        ["exponent", "example:iris-pair", "--certificate", "/nonexistent/folder/c.json"],
        ["exponent", "example:iris-pair", "--certificate", "/"],
        ["exponent", "example:iris-pair", "--certificate", "/dev/null"],
        ["exponent", "example:nothing"],
        ["analyse", "--figure", "figure.pdf"],
        ["analyse", "--figure", ""],
        ["sweep", "example:iris-pair", "--from", "2", "--to", "1", "--steps", "2", "--csv", "t.csv"],
        ["sweep", "example:iris-pair", "--from", "0", "--to", "1", "--steps", "2", "--csv", "t.csv"],
        ["sweep", "example:iris-pair", "--from", "1", "--to", "2", "--steps", "0", "--csv", "t.csv"],
        ["sweep", "example:iris-pair", "--from", "1", "--to", "2", "--steps", "1", "--csv", "t.csv"],
        ["recheck"],
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_input_is_never_overwritten(run, problem):
    path = problem()
    before = path.read_text()
    assert run("exponent", path, "--certificate", path)[0] == 2
    assert run("sweep", path, "--from", "1", "--to", "2", "--steps", "2", "--csv", path)[0] == 2
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        'features = [["1", "2"]]' + SGD.format("1/10"),
        'features = [["1", "2"], ["1", "2"]]' + SGD.format("1/10"),
        'features = [["1", "2"], ["0", "0"]]' + SGD.format("1/10"),
        'gram = [["1", "1"], ["1", "1"]]' + SGD.format("1/10"),
        EQUAL + SGD.format("1e400"),
        E6 + SGD.format("1"),
        E6 + SGD.format("1") + "batch = 2\nreplacement = false",
    ],
    ids=["single row", "duplicate rows", "zero row", "singular K", "huge step", "singular step", "full batch"],
)
def test_unusual_problems_are_answered(run, problem, text):
    code, out, err = run("exponent", problem(text, None), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["lambda"]["sign"] != "undecided"


def test_analyse_says_what_fails_for_a_singular_gram_matrix(run, problem):
    code, out, _ = run("analyse", problem('features = [["1", "2"], ["1", "2"]]', "1/10"), "--time-limit", "2")
    assert code == 0
    assert "H2 rank: fails (K has rank 1 < N = 2)" in out
    assert "says nothing here" in out


def test_version_and_help(run):
    assert run("--version")[1].startswith("sgd-verify 0.")
    for verb in ("analyse", "exponent", "threshold", "recheck", "sweep"):
        code, out, _ = run(verb, "--help")
        assert code == 0
        assert "exit codes" in out


def test_help_is_quick_and_imports_nothing_heavy():
    best = min(_timed("--help") for _ in range(3))
    assert best < 1.0
    heavy = "numpy scipy sympy flint numba matplotlib rich"
    for statement in ("import verify", "import verify.cli; verify.cli.main(['--help'])"):
        code = f"import contextlib, io, sys\nwith contextlib.redirect_stdout(io.StringIO()): {statement}\n"
        code += f"print([m for m in {heavy.split()!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]", statement


def _timed(*arguments):
    start = time.perf_counter()
    assert command(*arguments).returncode == 0
    return time.perf_counter() - start


def test_a_process_in_a_pipe_has_no_colours_and_no_traceback(tmp_path):
    good = command("exponent", "example:iris-four", env=os.environ | {"FORCE_COLOR": "1"})
    assert (good.returncode, good.stderr) == (0, "")
    assert "\x1b" not in good.stdout
    bad = command("exponent", tmp_path / "no.toml")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)


def test_a_closed_pipe_is_quiet():
    done = subprocess.run(
        f"'{sys.executable}' -m verify exponent example:iris-four --json | head -c 0", shell=True, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""


def test_an_unwritable_output_fails_before_the_work(run, tmp_path):
    start = time.perf_counter()
    code, out, err = run("analyse", "--figure", tmp_path / "no" / "f.svg")
    assert (code, out) == (2, "")
    assert "the folder does not exist" in err
    assert time.perf_counter() - start < 2


def test_an_internal_error_is_one_line(run, monkeypatch):
    import verify.cli.commands

    monkeypatch.setattr(verify.cli.commands, "load_problem", lambda _: 1 / 0)
    code, out, err = run("exponent", "p.toml")
    assert (code, out) == (70, "")
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err


def test_interrupt_leaves_no_file(tmp_path):
    arguments = ["sweep", "example:iris-four", "--from", "1/100", "--to", "1/20", "--steps", "2000", "--csv", str(tmp_path / "t.csv")]
    process = subprocess.Popen([sys.executable, "-m", "verify", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
