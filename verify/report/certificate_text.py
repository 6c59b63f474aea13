"""Certificates as readable text and JSON: what an accepted one proves about what, and a small one written out so that a person can check it by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from ..certificate import Statement
from ..certificate.format import BALL_FORMAT
from ..certificate.written import Polynomial, why, written_pieces
from ..exact import Matrix
from ..family import MatrixFamily
from ..result import Sign, decimal, interval
from .text import NO_BREAK, SHOWN_ROWS, Section


def recheck_json(certificate: Any, statements: list[Statement], reason: str) -> dict[str, Any]:
    """The JSON of `recheck`. Keys: accepted, reason, id, statements (subject, quantity, relation, value, sign), subjects."""
    return {
        "accepted": not reason,
        "reason": reason or None,
        "id": None if reason else certificate["id"],
        "statements": [_statement_json(statement) for statement in statements],
        "subjects": [] if reason else [claim["subject"] for claim in _claims(certificate) if not isinstance(claim["subject"], int)],
    } | ({"requires": "python-flint"} if is_ball_certificate(certificate) else {})


def is_ball_certificate(certificate: Any) -> bool:
    """Whether it calls itself one: then it is for `check_balls`."""
    return isinstance(certificate, dict) and certificate.get("format") == BALL_FORMAT


def ball_statements(certificate: Any) -> list[Statement]:
    """Both ends that the ball checker accepts; raises `Rejected` as it does."""
    from ..certificate.check_balls import check_balls

    proved = check_balls(certificate)
    return [Statement(0, "lambda", ">=", proved.lo), Statement(0, "lambda", "<=", proved.hi)]


def _statement_json(s: Statement) -> dict[str, Any]:
    return {"subject": s.subject, "quantity": s.quantity, "relation": s.relation, "value": str(s.value), "sign": s.sign or Sign.UNDECIDED.value}


def recheck_sections(certificate: Any, statements: list[Statement]) -> list[Section]:
    """The report of `recheck` for an accepted certificate: what is proved about what."""
    claims, proof = _claims(certificate), certificate["proof"]
    if is_ball_certificate(certificate):
        subject = Section("Proved about", tuple(_subject_lines(claims[0]["subject"])))
        enclosed = f"in {interval(statements[0].value, statements[1].value)}"
        head = Section("accepted by the ball checker, which requires python-flint", (("id", certificate["id"]),))
        return [head, subject, Section("Statement (nats per step)", (("lambda", enclosed),))]
    proofs = proof["parts"] if proof["kind"] == "conjunction" else [proof]
    found = [Section("accepted by the trusted checker", (("id", certificate["id"]),))]
    about: dict[str, list[tuple[str, str]]] = {}
    subjects: dict[str, Any] = {}
    for s, its in zip(statements, proofs, strict=True):
        subject = claims[s.subject]["subject"]
        ranged = isinstance(subject.get("step_size"), list)
        shared = {k: v for k, v in subject.items() if k != "step_size"} if ranged else subject  # ranges of step sizes of one problem stand together
        key = json.dumps(shared, sort_keys=True)
        subjects[key] = shared
        where = f"for every step size in {_range(subject['step_size'])}; " if ranged else ""
        about.setdefault(key, []).append((f"{s.quantity} {s.relation} {_rounded(s)}", where + _proved(s, its)))
    for key, lines in about.items():
        found.append(Section("Proved about", tuple(_subject_lines(subjects[key]))))
        found.append(Section("Statements (nats per step)", tuple(lines)))
    return found


def _range(ends: list[str]) -> str:
    left = "(0" if Fraction(ends[0]) == 0 else f"[{ends[0]}"
    return f"{left}, infinity)" if ends[1] == "inf" else f"{left}, {ends[1]}]"


def _claims(certificate: Any) -> list[Any]:
    claim = certificate["claim"]
    return list(claim["all"]) if "all" in claim else [claim]


def _subject_lines(subject: Any) -> list[tuple[str, str]]:
    """A subject that the checker has accepted, so that its keys and types are known."""
    lines = [(key, str(subject[key])) for key in ("optimiser", "step_size", "batch", "replacement", "momentum", "weight_decay", "outputs") if key in subject]
    lines += [("radius", f"every positive definite K within {subject['radius']} of this one, entry by entry")] if "radius" in subject else []
    lines += [("weights", _clip(", ".join(subject["weights"])))] if "weights" in subject else []
    for key in ("gram", "features"):
        lines += [(key if i == 0 else "", text) for i, text in enumerate(_rows_text(subject[key]))] if key in subject else []
    for k, rows in enumerate(subject.get("matrices", [])[:SHOWN_ROWS]):
        lines += [(f"matrix {k}" if i == 0 else "", text) for i, text in enumerate(_rows_text(rows))]
    return [(key, _clip(text, 200)) for key, text in lines]


def _rows_text(rows: Any) -> list[str]:
    if len(rows) > SHOWN_ROWS or max(len(cell) for row in rows for cell in row) > 20:
        return [f"{len(rows)} x {len(rows[0])}, not shown"]
    wide = max(len(cell) for row in rows for cell in row)
    return ["[" + NO_BREAK.join(cell.rjust(wide, NO_BREAK) for cell in row) + "]" for row in rows]


def _rounded(statement: Statement) -> str:
    exact = str(statement.value)
    return exact if len(exact) <= 24 else f"{decimal(statement.value, statement.relation in ('<', '<='), 12)} (rounded)"


def _proved(statement: Statement, proof: Any) -> str:
    return f"{'so its sign is ' + statement.sign + '; ' if statement.sign else ''}proof: {proof['kind']}"


def small_sections(family: MatrixFamily, relation: str, proof: dict[str, Any]) -> list[Section]:
    """A sign certificate of kind planar-forms with rho = 1, written out: cones, forms, images, and per piece the coefficients whose signs prove it."""
    degree, forms = proof["degree"], [[int(c) for c in form] for form in proof["forms"]]
    cones = [[[int(x) for x in e] for e in cone] for cone in proof["cones"]]
    weights, total = family.integer_weights, sum(family.integer_weights)
    steps = [(f"A_{k + 1}", f"{_rows(a)}, probability {p}") for k, (a, p) in enumerate(zip(family.matrices, family.probabilities, strict=True))]
    found = [Section(f"lambda {relation} 0, by hand: the steps", tuple(steps))]
    every = list(written_pieces(family.matrices, weights, proof))
    for k, cone in enumerate(cones):
        lines = [("every v in it", f"v = s {_vector(cone[0])} + t {_vector(cone[1])} with s, t >= 0")]
        power = "" if degree == 1 else f"^{degree}"
        lines.append((f"h(v){power}", _spelled([Fraction(c) for c in forms[k]])))
        for piece in (piece for piece in every if piece.cone == k):
            if not piece.whole:
                lines.append(("piece", f"now v = s {_vector(piece.corners[0])} + t {_vector(piece.corners[1])} with s, t >= 0"))
            for step, (sign, label, *image) in enumerate(piece.images):
                sums = " + ".join(f"({_spelled(x)}) {_vector(e)}" for x, e in zip(image, cones[label], strict=True))
                lines.append((f"{'-' if sign < 0 else ''}A_{step + 1} v", f"{sums}, in cone {label + 1}"))
            lines.append((_quantity(weights, total, degree), f"{_spelled(piece.difference)}{_why(piece.difference, relation)}"))
        found.append(Section(f"Cone {k + 1}, spanned by {_vector(cone[0])} and {_vector(cone[1])}", tuple(lines)))
    change = "falls" if relation == "<" else "grows"
    text = f"the images stay in the cones (up to sign) and the weighted product of h {change} at every step"
    found.append(Section("Conclusion", (("", f"{text}, hence lambda{NO_BREAK}{relation}{NO_BREAK}0 (S2, S5 of theorems/THEORY.md)"),)))
    return found


def _spelled(polynomial: Polynomial) -> str:
    degree, text = len(polynomial) - 1, ""
    for j, c in enumerate(polynomial):
        if c:
            variables = " ".join(f"{name}^{power}" if power > 1 else name for name, power in (("s", degree - j), ("t", j)) if power)
            size = "" if abs(c) == 1 and variables else str(abs(c))
            text += (" - " if c < 0 else " + ") if text else "-" * (c < 0)
            text += " ".join(filter(None, (size, variables)))
    return text or "0"


def _quantity(weights: tuple[int, ...], total: int, degree: int) -> str:
    """What is compared: the product of the h(A_i v) with their weights, and h(v) to the total weight (all to the power of the degree)."""
    factors = " ".join(f"h(A_{k + 1} v)" + (f"^{w * degree}" if w * degree > 1 else "") for k, w in enumerate(weights))
    return f"{factors} - h(v)" + (f"^{total * degree}" if total * degree > 1 else "")


def _why(difference: Polynomial, relation: str) -> str:
    """Why the form has its sign for s, t >= 0, in words."""
    name = "negative" if relation == "<" else "positive"
    return {
        "coefficients": f"; no coefficient has the other sign and the outer ones are {name}",
        "discriminant": f"; its discriminant is negative and its outer coefficients are {name}",
        "bisection": f"; {name} for s, t >= 0: bisect s : t at 1 and expand (s = u + w, t = w and s = w, t = u + w), again where signs still differ",
    }[why(difference, relation)]


def _vector(v: list[int]) -> str:
    return "(" + f",{NO_BREAK}".join(map(str, v)) + ")"


def _rows(matrix: Matrix) -> str:
    return "[" + ", ".join("[" + f",{NO_BREAK}".join(map(str, row)) + "]" for row in matrix) + "]"


def _clip(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
