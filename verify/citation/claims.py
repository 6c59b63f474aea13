"""What an accepted certificate states, sorted: a group for each minimum and optimiser, ranges that touch joined, both sides of a quantity in one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..certificate import Rejected, check
from ..certificate.format import BALL_FORMAT
from ..exact import InputError
from ..result import decimal

Ends = tuple[Fraction, Fraction | None]  # (lo, hi) of a range of step sizes; hi None: no upper end


@dataclass(frozen=True)
class Line:
    """`quantity relation value` with its proof, at one step size (`at`), for a range of them (`ends`), or for bare matrices (neither)."""

    quantity: str
    relation: str
    value: Fraction
    proof: dict[str, Any]
    subject: dict[str, Any]

    @property
    def ends(self) -> Ends | None:
        step = self.subject.get("step_size")
        return (Fraction(step[0]), None if step[1] == "inf" else Fraction(step[1])) if isinstance(step, list) else None

    @property
    def at(self) -> Fraction | None:
        step = self.subject.get("step_size")
        return Fraction(step) if isinstance(step, str) else None


@dataclass(frozen=True)
class Group:
    """The lines about one minimum and one optimiser, whose step sizes may differ."""

    lines: tuple[Line, ...]

    @property
    def subject(self) -> dict[str, Any]:
        return self.lines[0].subject

    @property
    def step_size(self) -> Fraction | None:
        """The step size of all lines, if it is one."""
        found = {line.at for line in self.lines}
        return found.pop() if len(found) == 1 else None


def is_balls(certificate: Any) -> bool:
    """Whether it calls itself a ball certificate."""
    return isinstance(certificate, dict) and certificate.get("format") == BALL_FORMAT


def accepted(certificate: Any) -> tuple[Group, ...]:
    """The groups of a certificate that its checker accepts. Raises `InputError` with the reason of any other."""
    try:
        return _balls(certificate) if is_balls(certificate) else _sorted(certificate)
    except Rejected as reason:
        raise InputError(f"the certificate is rejected by its checker: {reason}; only an accepted one can be cited") from None


def _balls(certificate: Any) -> tuple[Group, ...]:
    try:
        from ..certificate.check_balls import check_balls
    except (ImportError, SystemExit):
        raise InputError("a ball certificate can only be checked with python-flint; install it: pip install python-flint") from None
    proved, claim = check_balls(certificate), certificate["claim"]
    ends = (("<=", proved.hi), (">=", proved.lo))
    return (Group(tuple(Line("lambda", relation, value, {"kind": "balls"} | certificate["proof"], claim["subject"]) for relation, value in ends)),)


def _sorted(certificate: Any) -> tuple[Group, ...]:
    statements = check(certificate)
    claim, proof = certificate["claim"], certificate["proof"]
    claims = claim.get("all", [claim])
    proofs = proof["parts"] if "all" in claim else [proof]
    groups: dict[str, list[Line]] = {}
    for s, its in zip(statements, proofs, strict=True):
        subject = claims[s.subject]["subject"]
        key = json.dumps({k: v for k, v in subject.items() if k != "step_size"}, sort_keys=True)
        groups.setdefault(key, []).append(Line(s.quantity, s.relation, s.value, its, subject))
    return tuple(Group(tuple(lines)) for lines in groups.values())


def joined(lines: Sequence[Line]) -> list[tuple[Ends | None, Fraction | None, list[Line]]]:
    """(range, step size, claims that hold there): ranges that touch and claim the same are one, different claims about the same step sizes stand together."""
    merged: list[Line] = []
    for line in sorted(lines, key=lambda x: (x.ends or (x.at or Fraction(0), x.at))[0]):
        k = next((k for k, other in enumerate(merged) if _continues(other, line)), None)
        if k is None:
            merged.append(line)
        else:
            step = [merged[k].subject["step_size"][0], line.subject["step_size"][1]]
            merged[k] = replace(merged[k], subject=merged[k].subject | {"step_size": step})
    found: list[tuple[Ends | None, Fraction | None, list[Line]]] = []
    for line in merged:
        place = next((claims for ends, at, claims in found if (ends, at) == (line.ends, line.at)), None)
        if place is None:
            found.append((line.ends, line.at, [line]))
        else:
            place.append(line)
    return found


def _continues(a: Line, b: Line) -> bool:
    if a.ends is None or b.ends is None or a.ends[1] is None:
        return False
    return (a.quantity, a.relation, a.value) == (b.quantity, b.relation, b.value) and a.ends[0] <= b.ends[0] <= a.ends[1] < (b.ends[1] or a.ends[1] + 1)


def summary(group: Group) -> list[str]:
    """The claims of a group in plain text, one line for each range of step sizes: "lambda < 0 for eta in (0, 1]"."""
    lines = []
    for ends, at, own in joined(group.lines):
        where = "" if at is None else f" at eta = {at}"
        if ends is not None:
            where = f" for eta in {'(0' if ends[0] == 0 else f'[{ends[0]}'}, {'infinity)' if ends[1] is None else f'{ends[1]}]'}"
        lines.append(" and ".join(_plain(own)) + where)
    return lines


def _plain(lines: Sequence[Line]) -> list[str]:
    out = []
    for quantity in dict.fromkeys(line.quantity for line in lines):
        own = {line.relation: line for line in lines if line.quantity == quantity}
        if set(own) == {"<=", ">="}:
            out.append(f"{_rounded(own['>='], 110)} <= {quantity} <= {_rounded(own['<='], 110)}")
        else:
            out += [f"{quantity} {relation} {_rounded(line, 110)}" for relation, line in own.items()]
    return out


def _rounded(line: Line, digits: int) -> str:
    """The value, rounded outwards where it is long."""
    return str(line.value) if len(str(line.value)) <= 12 else decimal(line.value, line.relation in ("<", "<="), digits)


def about(group: Group) -> str:
    """The minimum and the optimiser in plain text."""
    s = group.subject
    key = next(key for key in ("gram", "features", "matrices") if key in s)
    name = {"gram": "K", "features": "X", "matrices": "matrices"}[key]
    data = str(s[key]).replace("'", "")
    text = f"{name} = {data if len(data) <= 100 else f'({len(s[key])} rows)'}"
    if key == "matrices":
        return text
    text += f", {s['optimiser'].upper() if s['optimiser'] != 'reshuffled' else 'reshuffled SGD'}"
    if s.get("batch", 1) > 1:
        text += f" with batches of {s['batch']}" + ("" if "replacement" not in s else f" {'with' if s['replacement'] else 'without'} replacement")
    text += "".join(f", {key.replace('_', ' ')} {s[key]}" for key in ("momentum", "weight_decay", "outputs") if key in s)
    return text + (f", every positive definite K within {s['radius']}" if "radius" in s else "")
