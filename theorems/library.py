"""The library of certificates: what the registry, the README and the notebooks quote as certified, in the folder `certificates`, indexed by content hash.

    python -m theorems.library              write certificates/INDEX.md from the files that are there
    python -m theorems.library --prove      prove the certificates of this file anew first (`shipped.write_all` does those of the registry's instances)

Ball certificates, which need python-flint, are in the subfolder `balls`. `sgd-verify recheck --all` checks every file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from verify.certificate import Certificate, seal, write_certificate
from verify.certificate.format import claim, write_text
from verify.citation.claims import about, accepted, summary
from verify.exact import InputError
from verify.exponent.planar import small_sign_certificate
from verify.optimiser import SGD
from verify.predicate import conjunction
from verify.problem import Problem
from verify.problem_file import load_problem

from .registry import get
from .registry import ids as registry_ids
from .shipped import file_name

FOLDER = Path(__file__).parent / "certificates"
INDEX = FOLDER / "INDEX.md"
K2, ISLANDS = (("1", "1/2"), ("1/2", "2")), (("1", "3"), ("3", "10"))
POLLICOTT = [[["2", "1"], ["1", "1"]], [["3", "1"], ["2", "1"]]]
_HEAD = """
# Certificates

What the registry, the README and the notebooks quote as certified; written by `python -m theorems.library`. A certificate is named by its content
hash; where a file lies proves nothing. `sgd-verify recheck --all` checks all of them, `python -I verify/certificate/check.py FILE` one of them without
this package; `sgd-verify cite FILE` (or `cite sha256:...`) makes a lemma with its proof. Values are rounded outwards.
"""


@dataclass(frozen=True)
class Entry:
    """A certificate beyond those of the registry's instances: its file, where it is quoted (registry ids among them), and what proves it anew."""

    file: str
    quoted: tuple[str, ...]
    title: str
    prove: Callable[[], Certificate | None]


def _together(*results: Any) -> Certificate | None:
    """The conjunction of the certificates of exponents; None where one has none."""
    found = [getattr(result, "certificate", None) for result in results]
    return None if None in found else conjunction(c for c in found if c is not None)


def _signs(problem: Problem, width: str | None = None) -> Certificate | None:
    return _together(problem.mu(), problem.lyapunov(width, estimate=False), problem.mean_square())


def _one_cone() -> Certificate | None:
    problem = Problem.from_gram(K2, SGD("101/100"))
    found = small_sign_certificate(problem.family, max_cones=3, max_digits=3, time_limit=30)
    return None if found is None else seal([(claim(problem.subject, "lambda", found[0], Fraction(0)), found[1])])


def _set(gram: Any, width: str) -> Certificate | None:
    found = Problem.from_gram(gram, SGD("1")).stability_set(width, time_limit=120)
    return found.certificates[0] if len(found.certificates) == 1 else None


def _threshold(gram: Any, width: str) -> Certificate | None:
    """lambda at both ends of the bracket."""
    problem = Problem.from_gram(gram, SGD("1"))
    found = problem.threshold(width)
    return _together(*(problem.at(end).lyapunov(estimate=False) for end in (found.lo, found.hi)))


def _network(name: str) -> Certificate | None:
    """The sign of lambda at the minimum of a shipped network (needs JAX)."""
    from verify.network.certified import certified_sign
    from verify.network.specification import load_specification

    given = load_specification(name)
    return certified_sign(given.minimum(), given.optimiser).sign.certificate


def _balls(problem: Problem, digits: int) -> Certificate | None:
    certificate: Certificate | None = getattr(problem.lyapunov(digits=digits), "ball_certificate", None)
    return certificate


ROWS = (("1", "0"), ("1/2", "1"))
LIBRARY = (
    Entry("one-cone.json", ("E6'", "README"), "One cone by hand", _one_cone),
    Entry("one-cone-1e-9.json", ("README",), "lambda to 1e-9", lambda: _together(Problem.from_gram(K2, SGD("101/100")).lyapunov("1e-9"))),
    Entry("threshold-1e-9.json", ("README",), "Both ends of a bracket of the critical step size", lambda: _threshold(K2, "1e-9")),
    Entry("stability-set.json", ("E6", "S6"), "All stable step sizes, up to a gap of 1/1000", lambda: _set(K2, "1/1000")),
    Entry("islands.json", ("E6''", "F-monotone", "F-smaller-steps"), "The stable step sizes are no interval", lambda: _set(ISLANDS, "1/7")),
    Entry("box.json", ("S6",), "One sign for every kernel in a box", lambda: _together(Problem.from_gram(K2, SGD("101/100")).sign_in_box("1/1000"))),
    Entry("iris-pair.json", ("README", "notebook 01"), "Two flowers", lambda: _signs(load_problem("example:iris-pair"), "1e-3")),
    Entry("iris-four.json", ("README",), "Four flowers", lambda: _signs(load_problem("example:iris-four"))),
    Entry("renewal-1e-40.json", ("notebook 02",), "A renewal series to 40 digits", lambda: _together(Problem.from_gram(K2, SGD("1")).lyapunov("1e-40"))),
    Entry("notebook-03.json", ("notebook 03",), "A stable and an unstable step size of one linear model",
          lambda: _together(*(Problem.from_features(ROWS, SGD(eta)).lyapunov(estimate=False) for eta in ("3/2", "3")))),
    Entry("notebook-03-conjecture.json", ("notebook 03",), "mu < 0 < lambda", lambda: _signs(Problem.from_gram((("1", "0"), ("0", "3")), SGD("1")))),
    Entry("notebook-04.json", ("notebook 04",), "lambda < 0 < ms", lambda: _signs(Problem.from_gram((("1", "2"), ("2", "5")), SGD("1")))),
    Entry("transformer-pair.json", ("README",), "A Transformer on two digits: stable although the mean square explodes",
          lambda: _network("example:transformer-pair")),
    Entry("balls/pollicott.json", ("THEORY.md [P10]",), "100 digits of Pollicott's pair", lambda: _balls(Problem.from_matrices(POLLICOTT), 100)),
)  # fmt: skip


def files(folder: Path = FOLDER) -> list[Path]:
    """All certificates of the library, in order of their names."""
    return sorted(folder.glob("*.json")) + sorted(folder.glob("balls/*.json"))


def load(path: Path) -> Certificate:
    """A certificate as it was shipped, unchecked."""
    content: Certificate = json.loads(path.read_text(encoding="utf-8"))
    return content


def by_id(text: str) -> Certificate:
    """The certificate whose id starts with the text, "sha256:" and at least eight hexadecimal digits. Raises `InputError` where there is not exactly one."""
    if len(text) < len("sha256:") + 8:
        raise InputError(f"{text} is too short; write sha256: and at least eight digits")
    found = {str(c["id"]): c for c in map(load, files()) if str(c["id"]).startswith(text)}
    if len(found) != 1:
        raise InputError(f"{len(found) or 'no'} certificates of the library have an id that starts with {text}; theorems/certificates/INDEX.md lists them")
    return found.popitem()[1]


def about_statement(id: str) -> list[Certificate]:
    """The certificates of the library that a registry entry quotes: those made for it, then the conjunction for its instances."""
    own = [FOLDER / entry.file for entry in LIBRARY if id in entry.quoted]
    return [load(path) for path in [*own, FOLDER / file_name(id)] if path.is_file()]


def index(folder: Path = FOLDER) -> str:
    """The page INDEX.md: what each certificate proves about what, its hash, and where it is quoted."""
    entries = {entry.file: entry for entry in LIBRARY}
    ids = {file_name(id): id for id in registry_ids()}
    parts = [_HEAD.strip()]
    for path in files(folder):
        name, certificate = path.relative_to(folder).as_posix(), load(path)
        entry = entries.get(name)
        quoted = entry.quoted if entry else (ids[name],)
        title = entry.title if entry else get(ids[name]).title
        checker = "the ball checker" if "requires" in certificate else "the trusted checker"
        lines = [f"## {name}", f"{title}. Quoted in {', '.join(quoted)}. For {checker}.", f"`{certificate['id']}`"]
        for group in accepted(certificate):
            lines.append(f"{about(group)}:\n\n" + "\n".join(f"* `{text}`" for text in summary(group)))
        parts.append("\n\n".join(lines))
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Write INDEX.md; with --prove the certificates first."""
    if arguments not in ([], ["--prove"]):
        print("usage: python -m theorems.library [--prove]", file=sys.stderr)
        return 2
    for entry in LIBRARY if arguments else ():
        certificate = entry.prove()
        if certificate is None:
            raise ValueError(f"{entry.file}: nothing was proved")
        (FOLDER / entry.file).parent.mkdir(exist_ok=True)
        write_certificate(certificate, FOLDER / entry.file)
        print(f"proved {entry.file}", flush=True)
    write_text(INDEX, index())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
