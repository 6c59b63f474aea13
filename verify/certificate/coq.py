"""Certificates as theorems for Coq: one file that `coqc` accepts against the library in `theorems/coq`, whose README says what is proved there.

The text claims what the certificate claims, about SGD from K and the step size; nothing here is trusted, a wrong export does not compile.
Covered kinds: planar-forms, linear-cones, words, determinant in the plane, orthogonal, equal-norms and nonexpansive steps, and conjunctions of these, about
lambda of plain SGD with batch 1 (weights allowed) and one K that is positive definite, or of matrices with weights.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from ..exact import InputError
from .check import VERSIONS, Rejected, Subject, inverse
from .coq_cones import Member, linear_lower, linear_upper, planar
from .coq_text import Rows, effort_for, matrix_text, number_text, tuple_text
from .format import FORMAT

KINDS = ("planar-forms", "linear-cones", "words", "determinant", "orthogonal", "equal-norms", "nonexpansive", "conjunction")
MAX_WORD_BITS = 400_000  # of the integer that a words certificate is compared with
RELATIONS = {"<": "Below", "<=": "At_most", ">=": "At_least", ">": "Above"}
SECONDS = 300


def library_folder() -> Path:
    """The folder with the sources of the Coq library, `build.sh` and README.md: package data of `theorems`; it may be read-only."""
    return Path(__file__).resolve().parents[2] / "theorems" / "coq"


def to_coq(certificate: dict[str, Any]) -> str:
    """The certificate as a Coq file with one theorem for each claim (two for an equality between two bounds).

    The certificate is not checked here: one that is wrong yields a file that coqc refuses. Raises `InputError` for what the library does not
    cover: other kinds, other quantities than lambda, other optimisers, ranges of step sizes and boxes of kernels, batches.
    """
    if not isinstance(certificate, dict) or certificate.get("format") != FORMAT:
        raise InputError(f"this is no certificate of the format {FORMAT}, which is the one that can be written for Coq")
    if certificate.get("version") not in VERSIONS:
        raise InputError(f"the certificate has version {certificate.get('version')!r}; this release reads versions {VERSIONS[0]} to {VERSIONS[-1]}")
    claim, proof = certificate["claim"], certificate["proof"]
    claims, proofs = (claim["all"], proof["parts"]) if "all" in claim else ([claim], [proof])
    subjects: list[tuple[Any, str]] = []
    names: list[int] = []
    theorems: list[str] = []
    statements: list[str] = []
    for position, (one, its_proof) in enumerate(zip(claims, proofs, strict=True)):
        if type(one["subject"]) is int:
            names.append(names[one["subject"]])
        else:
            names.append(len(subjects))
            subjects.append((case := _Case(one["subject"], certificate["version"], len(subjects)), case.definitions()))
        case = subjects[names[-1]][0]
        suffix = f"_{position + 1}" if len(claims) > 1 else ""
        theorems.append(_theorem(case, one, its_proof, suffix))
        statements.append(f"{case.name} {one['relation']} {one['value']}")
    header = f"""(* {'; '.join(statements)}
   Certificate {certificate['id']}

   To check this file, compile the library once into a folder LIBRARY that you may write to, then this file:
     sh "$(python -c 'import verify.certificate.coq as c; print(c.library_folder())')/build.sh" LIBRARY
     coqc -Q LIBRARY SgdVerify FILE.v
   The folder theorems/coq of the source, where README.md says what the library proves, serves as LIBRARY too. *)
From Coq Require Import ZArith QArith List.
From SgdVerify Require Import Certificates.
Import ListNotations.
Open Scope Z_scope.
"""
    return "\n".join([header, *(text for _, text in subjects), *theorems])


@dataclass(frozen=True)
class _Case:
    """The subject of a claim: its Coq term and its integer family, member by member as in Coq."""

    data: Any
    version: int
    number: int

    @cached_property
    def subject(self) -> Subject:
        try:
            subject = Subject(self.data, self.version)
        except Rejected as reason:
            raise InputError(f"the certificate's subject is not valid: {reason}") from None
        if subject.ranged:
            raise _uncovered("ranges of step sizes and boxes of kernels")
        if subject.matrices is None and not (subject.plain and subject.batch == 1 and self.data["optimiser"] == "sgd"):
            raise _uncovered("optimisers other than plain SGD with batch 1 (momentum, weight decay, batches, epochs, vector outputs, gradient descent)")
        return subject

    @cached_property
    def gram(self) -> Rows:
        gram = self.subject.block(list(range(self.subject.n)))
        try:
            inverse(gram)
        except Rejected:
            raise _uncovered("a kernel K that is not positive definite: the claim is then about its range") from None
        return gram

    @property
    def index(self) -> str:
        return str(self.number) if self.number else ""

    @cached_property
    def uniform(self) -> bool:
        return len(set(self.subject.weights)) == 1

    @property
    def name(self) -> str:
        if self.subject.matrices is not None:
            return f"exponent F{self.index}"
        return f"lambda K{self.index} eta{self.index}" if self.uniform else f"lambda_weighted weights{self.index} K{self.index} eta{self.index}"

    @property
    def family(self) -> str:
        """The term of the family, of which `name` is the exponent by definition."""
        if self.subject.matrices is not None:
            return f"F{self.index}"
        return f"(sgd K{self.index} eta{self.index})" if self.uniform else f"(sgd_weighted weights{self.index} K{self.index} eta{self.index})"

    @property
    def weights(self) -> str:
        return f"(repeat 1%Q {self.subject.n})" if self.uniform else f"weights{self.index}"

    def definitions(self) -> str:
        s, i = self.subject, self.index
        if s.matrices is not None:
            members = ";\n  ".join(f"({number_text(w)}, {matrix_text(a)})" for w, a in zip(s.weights, s.matrices, strict=True))
            return f"Definition F{i} : family := Family {len(s.matrices[0])} ([\n  {members}])%Q.\n"
        lines = [f"Definition K{i} : list (list Q) := ({matrix_text(self.gram)})%Q.", f"Definition eta{i} : Q := ({number_text(s.eta)})%Q."]
        if s.features is not None:
            lines.insert(0, f"(* K{i} = X X^T, X = {matrix_text(s.features).replace('#', '/')} *)")
        if not self.uniform:
            lines.append(f"Definition weights{i} : list Q := ({matrix_text([s.weights])[1:-1]})%Q.")
        return "\n".join(lines) + "\n"

    @cached_property
    def members(self) -> list[Member]:
        """The members of the family, with the step of the certificate that each is: equal steps are one there, the identity (None) is left out."""
        s = self.subject
        if s.matrices is not None:
            matrices = s.matrices
        else:
            matrices = [[[Fraction(j == k) - (s.eta * row[i] if k == i else 0) for k in range(s.n)] for j, row in enumerate(self.gram)] for i in range(s.n)]
        steps = s.family(list(range(s.n))).steps
        common = math.lcm(*(w.denominator for w in s.weights))
        powers = [int(w * common) for w in s.weights]
        found = []
        for a, power in zip(matrices, powers, strict=True):
            scale = math.lcm(*(x.denominator for row in a for x in row))
            found.append(Member(power, scale, [[int(x * scale) for x in row] for row in a], steps.index(a) if a in steps else None))
        return found

    @property
    def total(self) -> int:
        """P, the sum of the weights in lowest terms."""
        return sum(m.power for m in self.members)


def _uncovered(what: str) -> InputError:
    return InputError(f"the Coq library does not cover {what}; it covers proofs of the kinds {', '.join(KINDS)} about lambda of plain SGD with batch 1, "
                      "one positive definite K and one step size, or of matrices with weights; the file of the certificate itself can be cited in any case")


def _theorem(case: _Case, claim: dict[str, Any], proof: dict[str, Any], suffix: str) -> str:
    if claim["quantity"] != "lambda":
        raise _uncovered(f"the quantity {claim['quantity']}")
    kind, relation, value = proof["kind"], claim["relation"], Fraction(claim["value"])
    if kind not in _PROVERS:
        raise _uncovered(f"proofs of the kind {kind}")
    sign = {"<": "{0} < {1}", "<=": "{0} <= {1}", ">=": "{1} <= {0}", ">": "{1} < {0}", "=": "{0} = rational {1}"}[relation]
    statement = sign.format(case.name, f"({number_text(value)})%Q")
    if relation == "=" and kind not in ("equal-norms", "nonexpansive"):
        above, first = _PROVERS[kind](case, proof, "<=", value, f"{suffix}_above")
        below, second = _PROVERS[kind](case, proof, ">=", value, f"{suffix}_below")
        definitions, term = above + below, f"apply ext_le_antisym. {first} {second}"
    else:
        definitions, term = _PROVERS[kind](case, proof, relation, value, suffix)
    return f"{definitions}Theorem claim{suffix} : ({statement})%ext.\nProof. {term} Qed.\n"


def _by(case: _Case, relation: str, value: Fraction, name: str, arguments: str, bound: tuple[int, int, int]) -> str:
    """The proof term for a bound (ln x - ln y) / n: relation, effort of the comparison, value, certificate, and the computation."""
    effort = effort_for(relation, value, *bound)
    return f"exact ({name} {case.family} {RELATIONS[relation]} {effort} ({number_text(value)})%Q {arguments} ltac:(vm_cast_no_check (eq_refl true)))."


def _linear_cones(case: _Case, proof: dict[str, Any], relation: str, value: Fraction, suffix: str) -> tuple[str, str]:
    upper = relation in ("<", "<=")
    text, x, y, u = (linear_upper if upper else linear_lower)(proof, case.members)
    name, kind, more = ("by_linear_forms_upper", "upper_certificate", f" {u}") if upper else ("by_linear_forms_lower", "lower_certificate", "")
    return f"Definition cones{suffix} : {kind} := {text}.\n", _by(case, relation, value, name, f"{x} {y}{more} cones{suffix}", (x, y, case.total))


def _planar_forms(case: _Case, proof: dict[str, Any], relation: str, value: Fraction, suffix: str) -> tuple[str, str]:
    strict = relation in ("<", ">") and not value
    text, x, y, q = planar(proof, case.members, relation in ("<", "<="), strict, case.subject.family(list(range(case.subject.n))).p)
    return f"Definition cones{suffix} : form_certificate := {text}.\n", _by(
        case, relation, value, "by_planar_forms", f"{q} {x} {y} cones{suffix}",
        (x, y, q * case.total),
    )


def _words(case: _Case, proof: dict[str, Any], relation: str, value: Fraction, suffix: str) -> tuple[str, str]:
    """Q = L^T D L with L unit upper triangular; the library takes it in integers: rows of L, columns of W = omega L^-1, D and c/D."""
    n, q, total = int(proof["length"]), [[Fraction(x) for x in row] for row in proof["norm"]], case.total
    if len(case.members) ** n * math.log2(total + 1) * n > MAX_WORD_BITS:
        raise _uncovered(f"words as many as {len(case.members)}^{n}")
    weights, rows = _definite(q)
    scales = [math.lcm(*(x.denominator for x in row)) for row in rows]
    whole = [[int(x * s) for x in row] for row, s in zip(rows, scales, strict=True)]
    weights = [w / s**2 for w, s in zip(weights, scales, strict=True)]
    common = math.lcm(*(w.denominator for w in weights))
    d = [int(w * common) for w in weights]
    d = [w // math.gcd(*d) for w in d]
    back = inverse([[Fraction(x) for x in row] for row in whole])
    omega = math.lcm(*(x.denominator for row in back for x in row))
    columns = [[int(back[i][j] * omega) for i in range(len(back))] for j in range(len(back))]
    c = math.lcm(*d)
    metric = f"Metric {matrix_text(whole)} {matrix_text(columns)} {omega} {tuple_text(d)} {tuple_text([c // w for w in d])} {c}"

    def product(left: int, images: list[list[int]]) -> int:
        if not left:
            squares = (c // d[j] * sum(w * sum(map(int.__mul__, row, v)) ** 2 for w, row in zip(d, whole, strict=True)) for j, v in enumerate(images))
            return max(1, sum(squares))
        return math.prod(product(left - 1, [m.image(v) for v in images]) ** m.power for m in case.members)

    scale = math.prod(m.scale**m.power for m in case.members)
    bound = (product(n, columns), scale ** (2 * n * total ** (n - 1)) * (omega**2 * c) ** (total**n), 2 * n * total**n)
    return f"Definition norm{suffix} : metric := {metric}.\n", _by(case, relation, value, "by_words", f"{n} norm{suffix}", bound)


def _determinant(case: _Case, _: dict[str, Any], relation: str, value: Fraction, __: str) -> tuple[str, str]:
    if any(len(m.rows) != 2 for m in case.members) or relation in ("<", "<="):
        raise _uncovered("the sum rule in other dimensions than 2")
    dets = [abs(m.rows[0][0] * m.rows[1][1] - m.rows[0][1] * m.rows[1][0]) for m in case.members]
    bound = (math.prod(x**m.power for x, m in zip(dets, case.members, strict=True)), math.prod(m.scale ** (2 * m.power) for m in case.members), 2 * case.total)
    return "", _by(case, relation, value, "by_determinant", "", bound)


def _orthogonal(case: _Case, _: dict[str, Any], relation: str, value: Fraction, __: str) -> tuple[str, str]:
    """The coordinate with the largest exponent E ln |a_kk|: the bound is the quotient of products of integers, for both sides."""
    scale = math.prod(m.scale**m.power for m in case.members)
    products = [math.prod(abs(m.rows[k][k]) ** m.power for m in case.members) for k in range(len(case.members[0].rows))]
    k = max(range(len(products)), key=products.__getitem__)
    x = max(1, products[k])
    if relation in ("<", "<="):
        return "", _by(case, relation, value, "by_diagonal_upper", f"{x} {scale}", (x, scale, case.total))
    return "", _by(case, relation, value, "by_diagonal_lower", str(k), (x, scale, case.total))


def _equal_norms(case: _Case, _: dict[str, Any], relation: str, value: Fraction, suffix: str) -> tuple[str, str]:
    """K^-1 = L^T D L certifies that K is positive definite."""
    if case.subject.matrices is not None or value:
        raise _uncovered("equal norms and nonexpansive steps but for the sign of lambda")
    diagonal, rows = _definite(inverse(case.gram))
    energy = f"Definite ({matrix_text([diagonal])[1:-1]})%Q ({matrix_text(rows)})%Q ({matrix_text(inverse(rows))})%Q"
    isometric = all(case.subject.c(i) == 2 for i in range(case.subject.n))
    theorem = "steps_equal_two" if isometric else "steps_below_two" if relation in ("<", "<=") else "steps_above_two"
    term = f"({theorem} {case.weights} K{case.index} eta{case.index} energy{suffix} ltac:(vm_cast_no_check (eq_refl true)))"
    if isometric and relation != "=":
        text = f"rewrite {term}. apply ext_le_refl."
    else:
        text = f"{'apply ext_lt_weaken. ' if relation in ('<=', '>=') else ''}exact {term}."
    return f"Definition energy{suffix} : definite := {energy}.\n", text


def _definite(q: Rows) -> tuple[list[Fraction], Rows]:
    """D and L, unit upper triangular, with q = L^T D L."""
    size = len(q)
    a, diagonal, rows = [list(row) for row in q], [], []
    for k in range(size):
        pivot = a[k][k]
        if pivot <= 0:
            raise InputError("the certificate's matrix is not positive definite; it has no Coq export")
        diagonal.append(pivot)
        rows.append([Fraction(0)] * k + [a[k][j] / pivot for j in range(k, size)])
        for i in range(k + 1, size):
            a[i] = [x - a[i][k] / pivot * y for x, y in zip(a[i], a[k], strict=True)] if a[i][k] else a[i]
    return diagonal, rows


_PROVERS: dict[str, Callable[[_Case, dict[str, Any], str, Fraction, str], tuple[str, str]]] = {
    "linear-cones": _linear_cones,
    "planar-forms": _planar_forms,
    "words": _words,
    "determinant": _determinant,
    "orthogonal": _orthogonal,
    "equal-norms": _equal_norms,
    "nonexpansive": _equal_norms,
}


def check_with_coqc(certificate: dict[str, Any], folder: str | Path | None = None, seconds: float = SECONDS) -> tuple[bool, str]:
    """Whether coqc accepts the certificate's export, and why not if it does not.

    `folder` keeps the compiled library (compiled there once, up to a minute; a temporary folder otherwise). Raises `InputError` where coqc is
    missing, or the library does not compile; a certificate that takes longer than `seconds` is not accepted.
    """
    text = to_coq(certificate)
    if shutil.which("coqc") is None:
        raise InputError("coqc is not installed: Debian and Ubuntu have it in the package coq (apt-get install --no-install-recommends coq)")
    with tempfile.TemporaryDirectory() as scratch:
        library = compile_library(folder or Path(scratch) / "library")
        export = Path(scratch) / "certificate.v"
        export.write_text(text, encoding="ascii")
        try:
            done = subprocess.run(["coqc", "-q", "-Q", str(library), "SgdVerify", str(export)], capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return False, f"coqc did not finish in {seconds:g} seconds"
    return done.returncode == 0, "coqc accepts the certificate" if done.returncode == 0 else (done.stdout + done.stderr).replace(scratch, "").strip()


def compile_library(folder: str | Path) -> Path:
    """Compile the library into `folder` (only what is not up to date there) with the `build.sh` that it comes with."""
    target = Path(folder)
    try:
        done = subprocess.run(["sh", str(library_folder() / "build.sh"), str(target)], capture_output=True, text=True, timeout=10 * SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the Coq library cannot be compiled into {target}: {error}") from None
    if done.returncode:
        raise InputError(f"the Coq library cannot be compiled into {target}: {(done.stderr or done.stdout).strip()[-500:]}")
    return target
