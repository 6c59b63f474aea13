"""Problem files: what is accepted, and that every complaint names the place and the remedy. Tried as a user would."""

import json
from fractions import Fraction

import numpy as np
import pytest

import verify
from verify.problem_file import DEFAULT_EXAMPLE, examples

SGD = '\n[optimiser]\nkind = "sgd"\nstep_size = "1/3"\n'
GRAM = 'gram = [["1", "1/2"], ["1/2", "2"]]'


@pytest.fixture
def load(tmp_path):
    def loaded(text, name="problem.toml", **files):
        for other, content in files.items():
            path = tmp_path / other.replace("_csv", ".csv")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return verify.load_problem(tmp_path / name)

    return loaded


def matrix(*rows):
    return tuple(tuple(Fraction(x) for x in row) for row in rows)


def test_toml_and_json_give_the_same_problem(load):
    toml = load('features = [["1", 0], ["1/2", "0.1"]]\nlabels = ["1", 2]' + SGD)
    tree = {"features": [["1", 0], ["1/2", "0.1"]], "labels": ["1", 2], "optimiser": {"kind": "sgd", "step_size": "1/3"}}
    assert load(json.dumps(tree), "problem.json").subject == toml.subject
    assert toml.minimum.features == matrix([1, 0], ["1/2", "1/10"])
    assert toml.optimiser == verify.SGD("1/3", batch=1, replacement=True)


def test_the_issue_s_json_line(load):
    optimiser = '{"kind": "sgd", "step_size": "101/100", "batch": 1, "replacement": true}'
    problem = load('{"features": [["1","0"],["1/2","1"]], "optimiser": ' + optimiser + "}", "problem.json")
    assert problem.optimiser.step_size == Fraction(101, 100)


@pytest.mark.parametrize("place", ["top", "optimiser"])
def test_weights_at_the_top_or_in_the_optimiser(load, place):
    problem = load((GRAM + "\nweights = [1, 3]" + SGD) if place == "top" else GRAM + SGD + "weights = [1, 3]")
    assert problem.optimiser.weights == (1, 3)


def test_gradient_descent_and_batches(load):
    assert load(GRAM + SGD.replace("sgd", "gd")).optimiser == verify.GradientDescent("1/3")
    assert load(GRAM + SGD + "batch = 2\nreplacement = false").optimiser == verify.SGD("1/3", 2, False)
    assert load(GRAM + SGD + "batch = 3").optimiser.batch == 3  # with replacement a batch may be larger than N


def test_matrices(load):
    problem = load('matrices = [[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]]\nweights = ["1", "3"]')
    assert problem.family.probabilities == (Fraction(1, 4), Fraction(3, 4))
    assert problem.optimiser is None


def test_step_size_beyond_doubles_is_exact(load):
    assert load(GRAM + SGD.replace("1/3", "1e400")).optimiser.step_size == 10**400


@pytest.mark.parametrize(
    ("csv", "options", "gram"),
    [
        ("a,b\n1,2\n\n3,0.10\n", "", [[5, "16/5"], ["16/5", "901/100"]]),
        ("\ufeffa,b\r\n1,2\r\n   \r\n3,0.10\r\n", "", [[5, "16/5"], ["16/5", "901/100"]]),
        ("1,2\n3,4\n", "", [[5, 11], [11, 25]]),
        ("1,2\n3,4\n5,6\n", "rows = [2, 0]\ncolumns = [1]", [[36, 12], [12, 4]]),
        ("x,kind,y\n1,red,2\n3,blue,4\n", 'columns = ["y", 0]', [[5, 11], [11, 25]]),
        ("1,2\n3,4\n", "intercept = true", [[6, 12], [12, 26]]),
        ("x,2020\n1,2\n", "header = true", [[5]]),
        ('"a","b"\n"1"," 2 "\n', "", [[5]]),
    ],
)
def test_csv(load, csv, options, gram):
    assert load('features_csv = "a.csv"\n' + options + SGD, a_csv=csv).minimum.gram == matrix(*gram)


def test_labels_column(load):
    problem = load('features_csv = "a.csv"\nlabels_column = "z"' + SGD, a_csv="x,z\n1,2\n2,4\n")
    assert problem.minimum.features == matrix([1], [2])
    assert problem.minimum.labels == (2, 4)
    assert problem.minimum.solvable


def test_a_single_row_and_duplicate_rows_are_problems(load):
    assert load('features = [["1", "2"]]' + SGD).minimum.size == 1
    duplicate = load('features_csv = "a.csv"' + SGD, a_csv="1,2\n1,2\n").minimum
    assert (duplicate.size, duplicate.rank) == (2, 1)


def test_measured_kernels_need_rationalise_and_say_what_changed(load, tmp_path):
    np.save(tmp_path / "k.npy", np.array([[1.0, 0.1], [0.1 + 1e-12, 2.0]]))
    problem = load('gram_npy = "k.npy"\nrationalise = "1e-9"' + SGD)
    assert problem.minimum.gram == matrix([1, "1/10"], ["1/10", 2])
    assert "1/1000000000" in problem.notes[0]
    assert load('gram_csv = "k.csv"\nrationalise = "1e-3"' + SGD, k_csv="1,0.1\n0.1,2\n").minimum.gram == problem.minimum.gram
    for key in ("gram_npy", "gram_csv"):
        with pytest.raises(verify.InputError, match='rationalise = "1e-9"'):
            load(f'{key} = "k.npy"' + SGD)


def test_pickled_arrays_are_not_loaded(load, tmp_path):
    np.save(tmp_path / "k.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(verify.InputError, match=r"not a \.npy array"):
        load('gram_npy = "k.npy"\nrationalise = "1e-9"' + SGD)


TOML_ERRORS = [
    ('features = [["1", 0.50], ["1", "2"]]' + SGD, r'features\[0\]\[1\] = 0.50 is a float.*write "0.50"'),
    (GRAM + SGD.replace('"1/3"', "1e400"), r'optimiser.step_size = 1e400 is a float.*"1e400"'),
    (GRAM + SGD.replace('"1/3"', "1_0.5"), 'write "10.5"'),
    (GRAM + SGD.replace('"1/3"', "nan"), "step_size = nan is not a finite number"),
    (GRAM + SGD.replace("1/3", "0"), "step_size = 0 is not positive"),
    (GRAM + SGD.replace("1/3", "-1/2"), "step_size = -1/2 is not positive"),
    (GRAM + SGD.replace("1/3", "1e9999"), "more than 1000 digits"),
    (GRAM + SGD.replace('"1/3"', "1979-05-27"), "step_size = .* is not a rational number"),
    (GRAM + SGD.replace('"1/3"', "true"), "truth value"),
    (GRAM + SGD + "batch = 3\nreplacement = false", "batch = 3 is larger than the number of samples N = 2"),
    (GRAM + SGD + 'batch = "1"', "batch = '1' is not a positive integer"),
    (GRAM + SGD + 'replacement = "yes"', "replacement = 'yes'"),
    (GRAM + SGD + "batsch = 1", r"optimiser.batsch = 1 .*did you mean batch\?"),
    (GRAM + SGD + "weights = [1]", "weights has 1 entries for N = 2"),
    (GRAM + SGD + "weights = [1, 0]", r"weights\[1\] = 0 is not positive"),
    (GRAM + "\nweights = [1, 2]" + SGD + "weights = [1, 2]", "both given"),
    (GRAM + "\nweights = [1, 2]" + SGD.replace("sgd", "gd"), "gradient descent uses every sample equally"),
    (GRAM + SGD.replace("sgd", "gd") + "batch = 1", "optimiser.batch = 1 is not a known key of a gd optimiser"),
    (GRAM + SGD.replace("sgd", "adam"), "kind = 'adam'"),
    (GRAM + SGD.replace("kind", "#"), "optimiser.kind is missing"),
    (GRAM + SGD.replace("step_size", "#"), "optimiser.step_size is missing"),
    (GRAM, "optimiser is missing"),
    ("optimiser = 3\n" + GRAM, "optimiser = 3 is not a table"),
    (GRAM + "\nlabels = [1, 2]" + SGD, "labels = .* is not a known key beside gram"),
    (GRAM + "\nfeatures = [[1]]" + SGD, "gram and features are both given"),
    ("featurs = [[1]]" + SGD, r"did you mean features\?"),
    (SGD, "no source"),
    ('features = [["1"], ["1", "2"]]' + SGD, "ragged rows"),
    ('features = [["1", "2x"]]' + SGD, r"features\[0\]\[1\] = '2x' is not a number"),
    ("features = []" + SGD, "features = .. is not a nonempty list"),
    ("features = [[]]" + SGD, r"features\[0\] = .. is not a nonempty list"),
    ('features = "x"' + SGD, "features = 'x'"),
    ("features = [[0, 0], [0, 0]]" + SGD, "all zero"),
    ("features = [[1]]\nlabels = [1, 2]" + SGD, "labels has 2 entries for 1 rows"),
    ('features = [[1]]\nlabels = "x"' + SGD, "labels = 'x' is not a list"),
    ("gram = [[0]]" + SGD, "gram is zero"),
    ("gram = [[1, 2], [2, 1]]" + SGD, r"not positive semidefinite: v\^T gram v < 0 for v = \["),
    ("gram = [[1, 2], [3, 9]]" + SGD, r"gram\[1\]\[0\] = 3 but gram\[0\]\[1\] = 2"),
    ("gram = [[1, 2]]" + SGD, "1 x 2; a Gram matrix is square"),
    ("matrices = [[[1, 2]]]", "must be"),
    ("matrices = [[[1]]]" + SGD, "optimiser = .* is not a known key beside matrices"),
    ("matrices = []", "nonempty list"),
    ("a = = 1", "not TOML"),
    ("a = 1\na = 2", "not TOML"),
    ("a = " + "[" * 50_000, "nested too deeply"),
    ("a = 1" + "0" * 5000, "not TOML"),
    (b"\xff\xfe", "not UTF-8"),
    ('features_csv = "no.csv"' + SGD, "no.csv' does not exist; paths in a problem file are relative to it"),
    ("features_csv = 3" + SGD, "features_csv = 3 is not a path"),
    ('features_csv = "."' + SGD, "is a directory"),
]


@pytest.mark.parametrize(("text", "message"), TOML_ERRORS, ids=[str(i) for i in range(len(TOML_ERRORS))])
def test_bad_toml(load, text, message):
    with pytest.raises(verify.InputError, match=message) as caught:
        load(text)
    assert "problem.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"features": [[1, 0.5]], "optimiser": {}}', r"features\[0\]\[1\] = 0.5 is a float"),
        ('{"features": [[1, NaN]]}', "not a finite number"),
        ('{"features": [[1, -Infinity]]}', "not a finite number"),
        ('{"features": [[1]], "features": [[2]]}', "'features' stands twice"),
        ("[1]", "holds no object"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"features": [[1' + "0" * 5000 + "]]}", "5001 digits"),
        ('{"features": [[null]], "optimiser": {"kind": "gd", "step_size": 1}}', r"features\[0\]\[0\] = None"),
    ],
)
def test_bad_json(load, text, message):
    with pytest.raises(verify.InputError, match=message):
        load(text, "problem.json")


@pytest.mark.parametrize(
    ("csv", "options", "message"),
    [
        ("1,2\n3\n", "", "a.csv line 2 has 1 cells, but line 1 has 2"),
        ("x,y\n1,2\n3,\n", "", r"a.csv line 3, column 2 \(y\) is blank"),
        ("1,\n3,4\n", "", "line 1, column 2 is blank"),
        ("1,2\n3,4x\n", "", "line 2, column 2 = '4x' is not a number"),
        ("1,2x\n3,4\n", "", "line 1 mixes numbers and text .*header = true"),
        ("", "", "a.csv is empty"),
        ("x,y\n", "", "no rows of data"),
        ("1;2\n3;4\n", "", "separate cells by commas"),
        (b"\xff\xfe1", "", "not UTF-8"),
        ('"1,2\n', "", "not readable as CSV"),
        ("x,y\n1,2\n", 'columns = ["z"]', r"columns\[0\] = 'z' is not a column of a.csv, which has 'x', 'y'"),
        ("x,y\n1,2\n", 'columns = ["x", 0]', "listed twice"),
        ("1,2\n", 'columns = ["x"]', "has no header"),
        ("1,2\n", "columns = [2]", "numbered from 0 to 1"),
        ("1,2\n", "rows = [1]", "numbered from 0 to 0"),
        ("1,2\n", 'rows = ["0"]', r"rows\[0\] = '0'"),
        ("x,x\n1,2\n", "", "two columns named 'x'"),
        ("x,z\n1,red\n", 'labels_column = "z"', "'red' is not a number"),
        ("x,z\n1,2\n", 'labels_column = "z"\ncolumns = ["z"]', "also labels_column"),
        ("x,z\n1,2\n", 'labels_column = "z"\nlabels = [1]', "both given"),
        ("1e99999,2\n", "", "more than 1000 digits"),
        ("1/0,2\n", "", "divides by zero"),
        ("1,2\n", 'intercept = "yes"', "intercept = 'yes'"),
    ],
)
def test_bad_csv(load, csv, options, message):
    with pytest.raises(verify.InputError, match=message):
        load('features_csv = "a.csv"\n' + options + SGD, a_csv=csv)


def test_unreadable_paths(tmp_path):
    (tmp_path / "p.yaml").write_text("")
    for path, message in [
        (tmp_path / "no.toml", "does not exist"),
        (tmp_path, "is a directory"),
        (tmp_path / "p.yaml", "ends in .toml or .json"),
        ("", "is empty"),
        ("\0.toml", "cannot be read"),
    ]:
        with pytest.raises(verify.InputError, match=message):
            verify.load_problem(path)


def test_shipped_examples():
    assert DEFAULT_EXAMPLE in examples()
    for name in examples():
        problem = verify.load_problem(name)
        assert problem.name == name
        assert problem.minimum.solvable is (None if problem.minimum.features is None else True)
    with pytest.raises(verify.InputError, match=r"example:no is not a shipped example; there are .*example:iris-pair"):
        verify.load_problem("example:no")
