"""The command `network`: the chain from a network file to verdicts, K on disk, and the same answers from K alone."""

import json
import subprocess
import sys

import numpy as np
import pytest

from verify.certificate import check
from verify.cli import main
from verify.network.specification import load_specification
from verify.problem_file import examples, load_problem

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

TABLES = {
    "model": 'architecture = "mlp"\nwidth = 4',
    "data": 'name = "synthetic"\nsize = 2',
    "loss": 'kind = "half_squared"\nreduction = "mean"',
    "optimiser": 'kind = "sgd"\nstep_size = "1/10"',
}


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


@pytest.fixture
def written(tmp_path):
    def write(**tables):
        path = tmp_path / "net.toml"
        path.write_text("\n".join(f"[{name}]\n{text}" for name, text in (TABLES | tables).items() if text is not None))
        return path

    return write


def test_the_chain_from_a_network_to_k_and_back(run, written, tmp_path):
    spec, gram, certificate = written(), tmp_path / "k.npy", tmp_path / "c.json"
    code, out, err = run("network", spec, "--json", "--gram", gram, "--certificate", certificate, "--resolution", "0.01")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["decided"] is True
    assert found["gram"] == str(gram)
    k = np.load(gram)
    assert found["kernel"]["eigenvalues"] == pytest.approx(list(np.linalg.eigvalsh(k)))
    assert found["theorem"]["certificate"] == str(certificate)
    assert found["theorem"]["sign"] == found["lambda_sign"]
    assert found["theorem"]["distance"] < 1e-13
    assert check(json.loads(certificate.read_text()))

    problem = tmp_path / "p.toml"
    problem.write_text(f'gram_npy = "k.npy"\nmeasured = true\n[optimiser]\n{TABLES["optimiser"]}')
    again = load_problem(problem)
    assert again.lyapunov(sampling={"steps": 4_000_000}, confidence=0.99).to_json()["decimal"] == pytest.approx(found["lambda"]["decimal"], abs=1e-12)
    assert again.mu().to_json()["decimal"] == pytest.approx(found["mu"]["decimal"], abs=1e-12)
    problem.write_text(f'gram_npy = "k.npy"\nradius = "1e-10"\n[optimiser]\n{TABLES["optimiser"]}')
    code, out, _ = run("box", problem, "--json")
    assert code == 0
    assert json.loads(out)["sign"] == found["lambda_sign"]


def test_text_and_the_undecided_exit_code(run, written):
    code, out, err = run("network", written(optimiser='kind = "sgd"\nstep_size = "1/10"\nweight_decay = "1/100"'), "--resolution", "0.05")
    assert (code, err) == (1, "")
    for words in ("N = 2 samples", "K, the Gram matrix", "no common fixed point", "H3: is assumed"):
        assert words in out


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"loss": None}, "loss is missing or no table"),
        ({"loss": 'kind = "half_squared"'}, 'loss.reduction = None is missing or no text; write for example reduction = "mean"'),
        ({"loss": 'kind = "mse"\nreduction = "mean"'}, "loss = 'mse' is not known"),
        ({"model": 'architecture = "mpl"'}, "architecture = 'mpl' is not known"),
        ({"model": 'architecture = "mlp"\nwidht = 3'}, "did you mean width?"),
        ({"model": 'architecture = "mlp"\nwidth = 0'}, "model.width = 0 is not an integer from 1"),
        ({"model": 'architecture = "mlp"\nactivation = "sin"'}, "activation = 'sin' is not known"),
        ({"model": 'architecture = "diagonal-linear"\nwidth = 3'}, "[model] width is given, but the architecture diagonal-linear has no options"),
        ({"model": 'architecture = "cnn"\nwidth = 3'}, "net.toml: [model] width = 3 is not a known key of the architecture cnn; there may be channels"),
        ({"model": 'architecture = "mlp"\nwidth = 999999', "data": 'name = "digits"\nsize = 2'}, "net.toml: the model has more than 8388608 parameters"),
        ({"data": 'name = "synthetic"\nsize = 8.0'}, "data.size = 8.0 is a float; write an integer"),
        ({"data": 'name = "synthetic"\nsize = 1001'}, "net.toml: [data] size = 1001 is not an integer from 1 to 1000"),
        ({"data": 'name = "synthetic"\nsize = 2\nlabels = "own"'}, "data.labels = 'own' is not known"),
        ({"data": 'name = "imagenet"\nsize = 2'}, "data.name = 'imagenet' is not known"),
        ({"data": 'name = "synthetic"'}, "data.size is missing"),
        ({"data": 'name = "synthetic"\nsize = 100'}, "K is singular and H2 fails"),
        ({"optimiser": 'kind = "sgd"\nstep_size = 0.1'}, "optimiser.step_size = 0.1 is a float"),
        ({"optimiser": 'kind = "adam"\nstep_size = "1/10"'}, "optimiser.kind = 'adam' is not known"),
        ({"optimiser": 'kind = "sgd"\nstep_size = "1/10"\nbatch = 9\nreplacement = false'}, "net.toml: [optimiser] batch = 9 is larger"),
        ({"extra": "a = 1"}, "is not a known key in a network file"),
    ],
)
def test_bad_files(run, written, tables, message):
    code, out, err = run("network", written(**tables))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_no_file_is_written_where_the_input_is_bad(run, written, tmp_path):
    gram = tmp_path / "k.npy"
    code, out, err = run("network", written(loss=None), "--gram", gram)
    assert (code, out) == (2, "")
    assert not gram.exists()
    code, _, err = run("network", written(), "--gram", tmp_path / "no" / "k.npy")
    assert code == 2
    assert "folder does not exist" in err


def test_outputs_are_different_files(run, written, tmp_path):
    code, out, err = run("network", written(), "--gram", tmp_path / "same", "--certificate", tmp_path / "same")
    assert (code, out) == (2, "")
    assert "is also another output of this command" in err
    code, _, err = run("network", tmp_path / "none.toml")
    assert code == 2
    assert "the network file does not exist" in err


def test_shipped_networks():
    names = examples("networks")
    assert "example:mlp-digits" in names
    assert not set(names) & set(examples())
    for name in names:
        assert load_specification(name).name == name


def test_without_jax_one_line_says_how_to_get_it(written):
    script = "import sys; sys.modules['jax'] = None\nfrom verify.cli import main\nsys.exit(main(sys.argv[1:]))"
    ran = subprocess.run([sys.executable, "-c", script, "network", str(written())], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "networks need JAX; install it with" in ran.stderr
    assert ran.stderr.count("\n") == 1
