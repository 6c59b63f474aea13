"""The certificates of lambda that can be drawn: S4 and S5 in the plane, found inside an accepted certificate and evaluated in floating point for a picture.

On every piece of every cone the residual is r(v) = sum_s p_s log h(A_s v) - (sum_s p_s) log h(v) with h = F^(1/q); r <= y everywhere proves lambda <= y,
r >= y proves lambda >= y (S2). Certificates use residual coordinates; pictures show the span of the gradients with its own inner product (residuals are L v,
L L^T = K), where step i changes vectors along g_i. Nothing here is a proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...certificate import Certificate
from ...certificate.check import Family, Subject, pieces, row_basis
from ...result import as_float

Floats = NDArray[np.float64]
MAX_PIECES = 1500
SAMPLES = 2400  # points of a curve, over all pieces


@dataclass(frozen=True)
class Arc:
    """One piece: a fan of unit vectors v (n, 2), log h(v) (n,), the residual (n,), and the two ends of its image under each step (steps, 2, 2)."""

    cone: int
    v: Floats
    log_h: Floats
    residual: Floats
    images: Floats


@dataclass(frozen=True)
class Drawing:
    """One proved bound: lambda `relation` value (a number as the claim has it), by the cones (m, 2, 2) of unit generators and their pieces."""

    kind: str
    relation: str
    value: Fraction
    degree: int
    samples: tuple[int, ...]  # none where the coordinates of the family are shown: momentum, several outputs, bare matrices
    gradients: Floats  # (n, 2), one for each sample
    cones: Floats
    arcs: tuple[Arc, ...]

    @property
    def upper(self) -> bool:
        """Whether it bounds lambda from above."""
        return self.relation in ("<", "<=")

    def same_cones(self, other: Drawing) -> bool:
        """Whether the other one has the same cones and the same h, so that one picture serves both."""
        pairs = zip(self.arcs, other.arcs, strict=False)
        return len(self.arcs) == len(other.arcs) and all(np.array_equal(a.v, b.v) and np.array_equal(a.log_h, b.log_h) for a, b in pairs)


def drawings(certificate: Certificate) -> list[Drawing]:
    """All bounds on lambda in an accepted certificate whose proof has cones in the plane."""
    claim, proof = certificate["claim"], certificate["proof"]
    claims = claim.get("all", [claim])
    proofs = proof["parts"] if "all" in claim else [proof]
    found = []
    for one, its in zip(claims, proofs, strict=True):
        data = claims[one["subject"]]["subject"] if isinstance(one["subject"], int) else one["subject"]
        subject = Subject(data, certificate["version"])
        if one["quantity"] == "lambda" and not subject.ranged:
            value = Fraction(one["value"])
            for relation in ("<=", ">=") if one["relation"] == "=" else (one["relation"],):
                for samples, part in _planar(its, list(range(subject.n))):
                    family = subject.family(samples)
                    if family.d == 2 and sum(node[0] == "=" for tree in part["trees"] for node in tree) <= MAX_PIECES:
                        found.append(_drawing(part, relation, value, family, tuple(samples), *_frame(subject, samples)))
    return found


def _planar(proof: dict[str, Any], samples: list[int]) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """The proofs by cones, with the samples that they speak of (E1)."""
    if proof["kind"] == "components":
        for part in proof["parts"]:
            yield from _planar(part["proof"], part["component"])
    elif proof["kind"] in ("planar-forms", "linear-cones") and len(proof["cones"][0]) == 2:
        yield samples, proof


def _frame(subject: Subject, samples: list[int]) -> tuple[Floats, Floats]:
    """(T, gradients): T takes residual coordinates to the span of the gradients in an orthonormal basis, in which the gradients are given."""
    if subject.matrices is not None or subject.momentum or subject.outputs > 1:
        return np.eye(2), np.zeros((0, 2))
    block = subject.block(samples)
    gram, basis = np.array([[as_float(x) for x in row] for row in block]), row_basis(block)
    frame: Floats = np.linalg.inv(np.linalg.cholesky(gram[np.ix_(basis, basis)]))
    return frame, (frame @ gram[basis]).T


def _drawing(proof: dict[str, Any], relation: str, value: Fraction, family: Family, samples: tuple[int, ...], frame: Floats, gradients: Floats) -> Drawing:
    generators = [[[int(x) for x in e] for e in cone] for cone in proof["cones"]]
    logs = [np.array([[_log(int(c)) for c in form]]) for form in proof["forms"]]
    lengths = np.array([[0.5 * _log(e[0] ** 2 + e[1] ** 2) for e in cone] for cone in generators])
    cones = np.array([[_unit(e) for e in cone] for cone in generators])
    back = np.linalg.inv(cones.transpose(0, 2, 1))  # coordinates in the unit generators
    matrices = np.array([[[as_float(x) for x in row] for row in a] for a in family.steps])
    p = np.array([as_float(x) for x in family.p])

    def log_h(k: int, v: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            x = np.log(np.abs(v @ back[k].T)) - lengths[k]
        degree = logs[k].shape[1] - 1
        powers = np.arange(degree + 1)
        with np.errstate(invalid="ignore"):
            terms = logs[k] + np.where(powers < degree, (degree - powers) * x[:, :1], 0.0) + np.where(powers > 0, powers * x[:, 1:], 0.0)
        found: Floats = np.logaddexp.reduce(terms, axis=1) / degree
        return found

    every = [(k, corners, leaf) for k, tree in enumerate(proof["trees"]) for corners, leaf in pieces(tree, 2)]
    count = max(3, min(240, SAMPLES // len(every)))
    t = np.linspace(0.0, 1.0, count)[:, None]
    arcs = []
    for k, corners, leaf in every:
        ends = np.array([_unit([sum(generators[k][j][i] * g[j] for j in (0, 1)) for i in (0, 1)]) for g in corners])
        v = (1 - t) * ends[0] + t * ends[1]
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        here = log_h(k, v)
        there = np.array([log_h(label, v @ a.T) for label, a in zip(leaf[: len(p)], matrices, strict=True)])
        shown = v @ frame.T
        length = np.linalg.norm(shown, axis=1)
        images = ends @ matrices.transpose(0, 2, 1) @ frame.T
        arcs.append(Arc(k, shown / length[:, None], here - np.log(length), p @ there - p.sum() * here, images))
    edges = cones @ frame.T
    edges /= np.linalg.norm(edges, axis=2, keepdims=True)
    return Drawing(proof["kind"], relation, value, int(proof.get("degree", 1)), samples[: len(gradients)], gradients, edges, tuple(arcs))


def _log(number: int) -> float:
    return math.log(number) if number else -math.inf


def _unit(v: Sequence[int]) -> list[float]:
    """An integer vector of any size at length one, up to rounding."""
    length = math.isqrt(v[0] ** 2 + v[1] ** 2) or 1
    scale = 1 << max(0, 64 - length.bit_length())
    length = math.isqrt((v[0] ** 2 + v[1] ** 2) * scale**2)
    return [float(Fraction(x * scale, length)) for x in v]
