"""Certificates as readable text and JSON: what an accepted one proves about what, and a small one written out so that a person can check it by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..certificate import Statement
from ..certificate.check import inverse, pieces
from ..exact import Matrix
from ..family import MatrixFamily
from ..result import Sign, decimal
from .text import NO_BREAK, SHOWN_ROWS, Section

Polynomial = list[Fraction]  # coefficients of s^n, s^(n-1) t, ..., t^n


def recheck_json(certificate: Any, statements: list[Statement], reason: str) -> dict[str, Any]:
    """The JSON of `recheck`. Keys: accepted, reason, id, statements (subject, quantity, relation, value, sign), subjects."""
    return {
        "accepted": not reason,
        "reason": reason or None,
        "id": None if reason else certificate["id"],
        "statements": [_statement_json(statement) for statement in statements],
        "subjects": [] if reason else [claim["subject"] for claim in _claims(certificate) if not isinstance(claim["subject"], int)],
    }


def _statement_json(s: Statement) -> dict[str, Any]:
    return {"subject": s.subject, "quantity": s.quantity, "relation": s.relation, "value": str(s.value), "sign": s.sign or Sign.UNDECIDED.value}


def recheck_sections(certificate: Any, statements: list[Statement]) -> list[Section]:
    """The report of `recheck` for an accepted certificate: what is proved about what."""
    claims, proof = _claims(certificate), certificate["proof"]
    proofs = proof["parts"] if proof["kind"] == "conjunction" else [proof]
    found = [Section("accepted by the trusted checker", (("id", certificate["id"]),))]
    for owner in dict.fromkeys(s.subject for s in statements):
        lines = [(f"{s.quantity} {s.relation} {_rounded(s)}", _proved(s, its)) for s, its in zip(statements, proofs, strict=True) if s.subject == owner]
        found.append(Section("Proved about", tuple(_subject_lines(claims[owner]["subject"]))))
        found.append(Section("Statements (nats per step)", tuple(lines)))
    return found


def _claims(certificate: Any) -> list[Any]:
    claim = certificate["claim"]
    return list(claim["all"]) if "all" in claim else [claim]


def _subject_lines(subject: Any) -> list[tuple[str, str]]:
    """A subject that the checker has accepted, so that its keys and types are known."""
    lines = [(key, str(subject[key])) for key in ("optimiser", "step_size", "batch", "replacement") if key in subject]
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
    for k, cone in enumerate(cones):
        lines = [("every v in it", f"v = s {_vector(cone[0])} + t {_vector(cone[1])} with s, t >= 0")]
        power = "" if degree == 1 else f"^{degree}"
        lines.append((f"h(v){power}", _spelled([Fraction(c) for c in forms[k]])))
        every = list(pieces(proof["trees"][k], 2))
        for generators, leaf in every:
            if len(every) > 1:
                corners = [[sum(cone[j][i] * g[j] for j in (0, 1)) for i in (0, 1)] for g in generators]
                lines.append(("piece", f"now v = s {_vector(corners[0])} + t {_vector(corners[1])} with s, t >= 0"))
            product: Polynomial = [Fraction(1)]
            for step, (matrix, label, weight) in enumerate(zip(family.matrices, leaf, weights, strict=False)):
                image = _image(matrix, cone, generators, cones[label])
                sign = "-" if any(x < 0 for row in image for x in row) else ""
                image = [[abs(x) for x in row] for row in image]
                target = cones[label]
                sums = " + ".join(f"({_spelled(x)}) {_vector(e)}" for x, e in zip(image, target, strict=True))
                lines.append((f"{sign}A_{step + 1} v", f"{sums}, in cone {label + 1}"))
                product = _times(product, _power(_composed(forms[label], image), weight))
            here = _composed(forms[k], [[Fraction(g[i]) for g in generators] for i in (0, 1)])
            difference = [a - b for a, b in zip(product, _power(here, total), strict=True)]
            lines.append((_quantity(weights, total, degree), f"{_spelled(difference)}{_why(difference, relation)}"))
        found.append(Section(f"Cone {k + 1}, spanned by {_vector(cone[0])} and {_vector(cone[1])}", tuple(lines)))
    change = "falls" if relation == "<" else "grows"
    why = f"the images stay in the cones (up to sign) and the weighted product of h {change} at every step"
    found.append(Section("Conclusion", (("", f"{why}, hence lambda{NO_BREAK}{relation}{NO_BREAK}0 (S2, S5 of theorems/THEORY.md)"),)))
    return found


def _image(matrix: Matrix, cone: list[list[int]], generators: list[list[int]], target: list[list[int]]) -> list[Polynomial]:
    """Coordinates in the target cone of A(s v_0 + t v_1), as linear polynomials."""
    back = inverse([[Fraction(e[i]) for e in target] for i in (0, 1)])
    corners = [[sum(cone[j][i] * g[j] for j in (0, 1)) for i in (0, 1)] for g in generators]
    moved = [[sum((matrix[i][j] * v[j] for j in (0, 1)), start=Fraction(0)) for i in (0, 1)] for v in corners]
    return [[sum((back[i][j] * w[j] for j in (0, 1)), start=Fraction(0)) for w in moved] for i in (0, 1)]


def _composed(form: list[int], image: list[Polynomial]) -> Polynomial:
    """F(x_0, x_1) = sum c_j x_0^(q-j) x_1^j at linear polynomials x_0, x_1."""
    degree = len(form) - 1
    total = [Fraction(0)] * (degree + 1)
    for j, c in enumerate(form):
        term = [Fraction(c)]
        for factor in [image[0]] * (degree - j) + [image[1]] * j:
            term = _times(term, factor)
        total = [x + y for x, y in zip(total, term, strict=True)]
    return total


def _times(a: Polynomial, b: Polynomial) -> Polynomial:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def _power(a: Polynomial, exponent: int) -> Polynomial:
    product = [Fraction(1)]
    for _ in range(exponent):
        product = _times(product, a)
    return product


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
    """Why the form has its sign for s, t >= 0."""
    sign = -1 if relation == "<" else 1
    name = "negative" if sign < 0 else "positive"
    if all(sign * c >= 0 for c in difference) and difference[0] and difference[-1]:
        return f"; no coefficient has the other sign and the outer ones are {name}"
    if len(difference) == 3 and difference[1] ** 2 < 4 * difference[0] * difference[2] and sign * difference[0] > 0:
        return f"; its discriminant is negative and its outer coefficients are {name}"
    return f"; {name} for s, t >= 0: bisect s : t at 1 and expand (s = u + w, t = w and s = w, t = u + w), again where signs still differ"


def _vector(v: list[int]) -> str:
    return "(" + f",{NO_BREAK}".join(map(str, v)) + ")"


def _rows(matrix: Matrix) -> str:
    return "[" + ", ".join("[" + f",{NO_BREAK}".join(map(str, row)) + "]" for row in matrix) + "]"


def _clip(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
