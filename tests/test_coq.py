"""The export to Coq: what it says, what it refuses; and, where coqc is installed, that Coq accepts what is valid and refuses what is not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samples import PAIR, bare, certificates, claim, resealed, sealed, sgd

from verify.certificate import check
from verify.certificate.coq import KINDS, check_with_coqc, compile_library, library_folder, to_coq
from verify.exact import InputError

needs_coqc = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed (Debian: apt-get install --no-install-recommends coq)")

COVERED = (
    "determinant", "determinant sign", "determinant matrices", "nonexpansive", "equal norms below", "equal norms at", "equal norms above",
    "orthogonal above", "words", "linear cones above", "linear cones below", "planar by hand", "planar swap", "linear swap",
    "engine negative", "engine positive", "engine close",
)  # fmt: skip
METRIC = [["8/7", "-2/7"], ["-2/7", "4/7"]]
MORE = {
    "weighted words": sealed(claim(sgd(PAIR, "101/100", weights=["1", "2"]), "<", "1/10"), {"kind": "words", "length": 2, "norm": METRIC}),
    "weighted equal norms": sealed(claim(sgd([[2, 1], [1, 2]], "9/10", weights=["1/3", "5"]), "<="), {"kind": "equal-norms"}),
    "orthogonal with a zero": sealed(claim(sgd([[1, 0], [0, 2]], "1"), "="), {"kind": "orthogonal"}),
    "orthogonal in space": sealed(claim(sgd([[1, 0, 0], [0, 2, 0], [0, 0, 3]], "1/2", weights=["1", "2", "3"]), "<", "-1/10"), {"kind": "orthogonal"}),
    "identity step": sealed(  # the checker leaves the identity out, Coq has it as a member of the family
        claim(bare([[[2, 1], [1, 1]], [[1, 0], [0, 1]], [[2, 1], [1, 1]]]), ">=", "2/5"),
        {"kind": "linear-cones", "cones": [[["1", "0"], ["0", "1"]]], "forms": [["1", "1"]], "trees": [[["=", 0]]]},
    ),
}
AXIOMS = {"ClassicalDedekindReals.sig_forall_dec", "ClassicalDedekindReals.sig_not_dec", "Classical_Prop.classic",
          "FunctionalExtensionality.functional_extensionality_dep"}  # fmt: skip


def axioms(output: str) -> set[str]:
    """The names that `Print Assumptions` lists: at the start of a line, in full."""
    return set(re.findall(r"^(\w+\.\w+)", output.partition("Axioms:")[2], re.MULTILINE))


def valid() -> dict[str, Any]:
    samples = certificates()
    return {name: samples[name] for name in COVERED} | MORE


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("coq"))


def test_the_text_states_the_claim_the_certificate_and_the_command() -> None:
    certificate = certificates()["planar by hand"]
    text = to_coq(certificate)
    head = text[: text.index("*)")]
    assert "lambda K eta < 0" in head
    assert certificate["id"] in head
    assert "coqc -Q LIBRARY SgdVerify FILE.v" in head
    assert "Definition K : list (list Q) := ([[1; 1#2]; [1#2; 2]])%Q." in text
    assert "Definition eta : Q := (101#100)%Q." in text
    assert "Theorem claim : (lambda K eta < (0)%Q)%ext." in text
    assert text.isascii()
    assert "Admitted" not in text
    assert "Axiom" not in text


@pytest.mark.parametrize("name", [*COVERED, *MORE])
def test_every_covered_kind_is_written_with_its_claim(name: str) -> None:
    certificate = valid()[name]
    check(certificate)
    text = to_coq(certificate)
    assert text.count("Theorem claim") == len(certificate["claim"].get("all", [0]))
    assert text.count("Qed.") == text.count("Theorem claim")


@pytest.mark.parametrize("name", sorted(set(certificates()) - set(COVERED)))
def test_everything_else_is_refused_with_what_is_covered(name: str) -> None:
    with pytest.raises(InputError, match=r"does not cover .*planar-forms, linear-cones"):
        to_coq(certificates()[name])


def test_ranges_boxes_and_momentum_are_refused() -> None:
    for change in ({"step_size": ["1/2", "9/10"]}, {"radius": "1/100"}, {"momentum": "1/2"}, {"weight_decay": "1/10"}):
        with pytest.raises(InputError, match="does not cover"):
            to_coq(sealed(claim(sgd(PAIR, "9/10") | change, "<"), {"kind": "nonexpansive"}))


def test_other_formats_and_versions_are_refused() -> None:
    certificate = certificates()["nonexpansive"]
    with pytest.raises(InputError, match="version 99"):
        to_coq(certificate | {"version": 99})
    with pytest.raises(InputError, match="no certificate of the format"):
        to_coq(certificate | {"format": "something"})


def test_the_library_is_complete_and_without_gaps() -> None:
    folder = library_folder()
    listed = [line for line in (folder / "_CoqProject").read_text().split() if line.endswith(".v")]
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.v"))
    for path in [*folder.glob("*.v"), *folder.glob("examples/*.v")]:
        text = path.read_text(encoding="ascii")
        assert text.startswith("(* "), f"{path.name} does not say what it is for"
        assert not re.search(r"\b(Admitted|admit|Axiom|Parameter|Conjecture|Abort)\b", text), path.name
        assert f"`{path.name}`" in (folder / "README.md").read_text() or path.parent.name == "examples"


def test_a_missing_coqc_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"apt-get install .*coq"):
        check_with_coqc(certificates()["planar by hand"])


@needs_coqc
@pytest.mark.slow
def test_the_library_rests_on_the_axioms_of_the_reals_alone(library: Path) -> None:
    done = subprocess.run(["sh", str(library_folder() / "build.sh"), str(library)], capture_output=True, text=True, check=True)
    assert axioms(done.stdout) == AXIOMS


@needs_coqc
@pytest.mark.slow
@pytest.mark.parametrize("name", [*COVERED, *MORE])
def test_coq_accepts_every_valid_certificate(name: str, library: Path) -> None:
    accepted, output = check_with_coqc(valid()[name], library)
    assert accepted, output


@needs_coqc
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((library_folder() / "examples").glob("*.v")), ids=lambda path: path.stem)
def test_the_examples_compile(path: Path, library: Path, tmp_path: Path) -> None:
    copy = shutil.copy(path, tmp_path)
    done = subprocess.run(["coqc", "-q", "-Q", str(library), "SgdVerify", copy], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def corrupted() -> dict[str, Any]:
    """One number changed in each, so that the claim or the proof is wrong."""
    changes: list[tuple[str, str, str]] = [
        ("planar by hand", '["7", "8"]', '["7", "1"]'),
        ("planar by hand", '"101/100"', '"2"'),
        ("engine positive", '"value": "', '"value": "9'),
        ("linear cones above", '"81/50"', '"79/50"'),
        ("linear cones above", '"1/5", "1/5"', '"1/5", "1/4"'),
        ("linear cones below", '"11/10"', '"3/2"'),
        ("words", '"-1/20"', '"-1/2"'),
        ("determinant", '"1/20"', '"1/4"'),
        ("determinant sign", '"4/5"', '"1/10"'),
        ("orthogonal above", '"9/1000"', '"1/10"'),
        ("equal norms below", '"9/10"', '"11/10"'),
        ("equal norms at", '"step_size": "1"', '"step_size": "2"'),
        ("equal norms above", '"11/10"', '"9/10"'),
        ("nonexpansive", '"9/10"', '"101/100"'),
    ]
    samples, found = certificates(), {}
    for name, old, new in changes:
        text = json.dumps(samples[name])
        assert old in text, (name, old)
        found[f"{name}: {new}"] = resealed(json.loads(text.replace(old, new, 1)))
    return found


@needs_coqc
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(corrupted()))
def test_coq_refuses_corrupted_certificates(name: str, library: Path) -> None:
    accepted, output = check_with_coqc(corrupted()[name], library)
    assert not accepted
    assert "Error" in output


@needs_coqc
@pytest.mark.slow
def test_a_time_limit_is_a_refusal(library: Path) -> None:
    assert check_with_coqc(certificates()["planar by hand"], library, seconds=0.01) == (False, "coqc did not finish in 0.01 seconds")


def test_the_error_of_an_uncovered_kind_names_all_that_are_covered() -> None:
    with pytest.raises(InputError) as error:
        to_coq(certificates()["renewal"])
    assert all(kind in str(error.value) for kind in KINDS)
