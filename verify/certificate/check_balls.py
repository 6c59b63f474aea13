"""The checker of ball certificates: lo <= lambda <= hi to many digits, proved in exact rationals and in the ball arithmetic of python-flint (FORMAT.md).

    python check_balls.py CERT.json        prints accepted / rejected: reason; exit status 0 / 1 (2: unreadable file, or no python-flint)

It shares no code with any search. Reading and the rebuilding of the family from the claim are those of `check.py`, the standard-library checker: the claim
then means the same in both kinds of certificate, and there is one trusted reader. The inference is "Dominated families" of theorems/THEORY.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from flint import acb, arb, arb_poly, ctx, fmpq, fmpz, fmpz_poly
except ImportError:
    if __package__:
        raise
    print("cannot check: ball certificates need python-flint (pip install python-flint)", file=sys.stderr)
    raise SystemExit(2) from None

if TYPE_CHECKING or __package__:
    from .check import MAX_BYTES, MAX_WORK, WORK_LEFT, Family, Rejected, Subject, fields, index, integer, items, need, number, read, shown
else:  # run as a script, next to check.py
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from check import MAX_BYTES, MAX_WORK, WORK_LEFT, Family, Rejected, Subject, fields, index, integer, items, need, number, read, shown

FORMAT, VERSION, REQUIRES = "sgd-verify-ball-certificate", 1, "python-flint"
MAX_ARCS, MAX_MOVES, MAX_TERMS, MAX_SCALE = 64, 20_000, 5000, 7000
MAX_COST = 60.0  # seconds, by a generous estimate
COARSE = 128  # bits where only a factor of a small number is wanted

Entries = tuple[Any, Any, Any, Any]


@dataclass(frozen=True)
class BallStatement:
    """lo <= lambda <= hi for the subject, in nats per step."""

    subject: dict[str, Any]
    lo: Fraction
    hi: Fraction


def check_balls(certificate: Any) -> BallStatement:
    """What the certificate proves; raises `Rejected` with the reason if it does not prove its claim."""
    try:
        text = json.dumps(certificate, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(f"not a JSON object: {shown(str(error))}") from None
    return check_balls_text(text.encode("ascii"))


def check_balls_text(text: bytes) -> BallStatement:
    """As `check_balls`, for the bytes of a certificate file."""
    certificate = fields(read(text), "certificate", "format version requires claim proof id")
    need(certificate["format"] == FORMAT and certificate["requires"] == REQUIRES, f"format is not {FORMAT}, or it does not require {REQUIRES}")
    need(type(certificate["version"]) is int and certificate["version"] == VERSION, f"version {shown(certificate['version'])} is not known")
    body = json.dumps({k: v for k, v in certificate.items() if k != "id"}, sort_keys=True, separators=(",", ":"))
    need(certificate["id"] == "sha256:" + hashlib.sha256(body.encode()).hexdigest(), "the id does not match the content")
    claim = fields(certificate["claim"], "claim", "subject quantity lo hi")
    lo, hi = number(claim["lo"], "lo"), number(claim["hi"], "hi")
    need(claim["quantity"] == "lambda" and lo <= hi, "the claim is not an interval for lambda")
    parts = items(fields(certificate["proof"], "proof", "parts")["parts"], "parts")
    token = WORK_LEFT.set([MAX_WORK])
    try:
        subject = Subject(claim["subject"])
        need(not subject.ranged, "ball certificates are about one step size and one K")
        prove(subject, parts, lo, hi)
    except RecursionError:
        raise Rejected("nested too deeply") from None
    finally:
        WORK_LEFT.reset(token)
    return BallStatement(claim["subject"], lo, hi)


def prove(subject: Subject, parts: list[Any], lo: Fraction, hi: Fraction) -> None:
    """E1: lambda is the largest exponent of the components. Every part is at most hi, one is at least lo, and samples in no part have no gradient."""
    whole, covered, reached, budget = list(range(subject.n)), set[int](), False, [MAX_COST]
    period = subject.period  # an epoch is one step of its family
    for part in parts:
        need(isinstance(part, dict) and set(part) in ({"component"}, {"component", "arcs"}), "a part is not an object of a component and perhaps arcs")
        component = [index(i, subject.n, "sample") for i in items(part["component"], "component")]
        need(component == sorted(set(component)) and covered.isdisjoint(component), "components are not disjoint increasing lists of samples")
        covered |= set(component)
        if component != whole:
            need(subject.matrices is None, "a family of matrices has one part, all of it")
            own = set(subject.rows(component))
            edges = ((a, b) for a in own for b in subject.rows(whole) if b not in own)
            need(not any(subject.k(a, b) for a, b in edges), "a component has an edge to the rest")
        family = subject.family(component)
        least, most = on_arcs(family, part["arcs"], budget) if "arcs" in part else on_line(family, hi - lo, budget)
        with ctx.workprec(MAX_SCALE + COARSE):
            need(most is None or most <= ball(hi * period), "the proved upper bound does not imply the claim")
            reached = reached or bool(least is not None and least >= ball(lo * period))
    need(reached, "the proved lower bound does not imply the claim")
    rest = [a for a in subject.rows(whole) if a // subject.outputs not in covered]
    need(not any(subject.k(a, a) for a in rest), "a sample with a gradient is in no part")


def ball(x: Fraction) -> Any:
    return arb(rational(x))


def rational(x: Fraction) -> Any:
    return fmpq(x.numerator, x.denominator)


def on_line(family: Family, width: Fraction, budget: list[float]) -> tuple[Any, Any]:
    """d = 1: bounds on sum p_s log |a_s|, both None where a step is 0 (the exponent is -infinity)."""
    need(family.d == 1, "a part without arcs is not one-dimensional")
    values = [(p, abs(a[0][0])) for a, p in zip(family.steps, family.p, strict=True)]
    pay(budget, 1e-3 * len(values))
    if any(a == 0 for _, a in values):
        return None, None
    with ctx.workprec(COARSE + min(MAX_SCALE, width.denominator.bit_length())):
        total = sum((ball(p) * ball(a).log() for p, a in values), start=arb(0))
        return total, total


# --- d = 2: arcs that are mapped into each other, and a function on them whose residual is constant up to an error -------------------------------


@dataclass(frozen=True)
class Arcs:
    """`moves[s][k]`: target and entries >= 0 of step s from cone k; `lengths` L_k = (1/2) log q_k as exact q_k."""

    moves: list[list[tuple[int, Entries]]]
    reaches: list[Any]
    p: list[Any]
    coefficients: list[list[Any]]
    polynomials: list[Any]  # the same series in powers of y
    scale: int


def on_arcs(family: Family, witness: Any, budget: list[float]) -> tuple[Any, Any]:
    """value -+ error, where error bounds |r - value| for the residual r of h(v) = sqrt(s t) exp(G_k(y)) on all arcs (S2)."""
    keys = fields(witness, "arcs", "cones reaches targets coefficients scale ellipses value")
    cones = items(keys["cones"], "cones")
    arcs, terms = len(cones), len(items(items(keys["coefficients"], "coefficients", len(cones))[0], "coefficients"))
    need(family.d == 2 and family.steps, "arcs need the plane and a step")
    need(arcs <= MAX_ARCS and arcs * len(family.steps) <= MAX_MOVES and terms <= MAX_TERMS, "too many arcs, steps or coefficients")
    scale = index(keys["scale"], MAX_SCALE + 1, "scale")
    coefficients = [[fmpz(integer(c, "coefficient")) for c in items(row, "coefficients", terms)] for row in keys["coefficients"]]
    longest = max(int(abs(c)).bit_length() for row in coefficients for c in row)
    number_of_moves, bits = arcs * len(family.steps), max(scale, longest) + 2 * terms + COARSE
    pay(budget, (number_of_moves + arcs) * terms * (terms * (3e-7 + 2.5e-7 * (bits / 1000) ** 1.6) + 2e-4) + 2e-3 * number_of_moves)  # nodes and ellipses
    reaches, ellipses = ([rational(number(x, what)) for x in items(keys[what], what, arcs)] for what in ("reaches", "ellipses"))
    need(min(reaches) > 1 and min(ellipses) > 1, "a reach or an ellipse is not above 1")
    p = [rational(x) for x in family.p]
    system = Arcs(moves(family, cones, reaches, items(keys["targets"], "targets", len(family.steps)), budget), reaches, p, coefficients,
                  [in_powers(row) for row in coefficients], scale)  # fmt: skip
    value = number(keys["value"], "value")
    errors = [at_nodes(system, k, value) + between_nodes(system, k, rho) for k, rho in enumerate(ellipses)]
    with ctx.workprec(MAX_SCALE + COARSE):
        return ball(value) - largest(errors), ball(value) + largest(errors)


def pay(budget: list[float], seconds: float) -> None:
    """Charge work before it is done, so that a hostile certificate is rejected in bounded time, the same way on every machine."""
    budget[0] -= seconds
    need(budget[0] >= 0, "the proof needs more work than the checker grants")


def moves(family: Family, cones: list[Any], reaches: list[Any], targets: list[Any], budget: list[float]) -> list[list[tuple[int, Entries]]]:
    """Exactly: in cone coordinates, each step has entries of one sign, and it maps each arc 1/q <= t/s <= q into the interior of the target's arc."""
    generators = []
    for cone in cones:
        a, b = ([fmpz(integer(x, "generator")) for x in items(ray, "generator", 2)] for ray in items(cone, "cone", 2))
        need(a[0] * b[1] > a[1] * b[0], "the generators of a cone are not positively oriented")
        generators.append((a, b))
    found = []
    for step, labels in zip(family.steps, targets, strict=True):
        entries = [rational(x) for row in step for x in row]
        pay(budget, len(cones) * 1e-4 * (1 + max(x.numerator.bit_length() + x.denominator.bit_length() for line in step for x in line) / 2000) ** 1.6)
        row = []
        for k, label in enumerate(items(labels, "targets", len(cones))):
            target = index(label, len(cones), "target")
            row.append((target, move(entries, generators[k], generators[target], reaches[k], reaches[target])))
        found.append(row)
    return found


def move(step: list[Any], source: Any, target: Any, reach: Any, room: Any) -> Entries:
    c, d = target
    area = c[0] * d[1] - c[1] * d[0]
    images = [(step[0] * v[0] + step[1] * v[1], step[2] * v[0] + step[3] * v[1]) for v in source]
    columns = [((x * d[1] - y * d[0]) / area, (c[0] * y - c[1] * x) / area) for x, y in images]
    entries = [columns[0][0], columns[1][0], columns[0][1], columns[1][1]]
    if min(entries) < 0:
        entries = [-x for x in entries]
    need(min(entries) >= 0, "a step does not map a cone into its target")
    for r in (reach, 1 / reach):
        first, second = entries[0] + entries[1] * r, entries[2] + entries[3] * r
        need(first > 0 and first < room * second and second < room * first, "a step does not map an arc into the interior of its target")
    return entries[0], entries[1], entries[2], entries[3]


def logarithms(entries: list[Any], u: Any) -> tuple[Any, Any]:
    """log l_1, log l_2 at v = (e^-u, e^u), for real or complex balls u with |Im u| < pi/2, where l_1, l_2 have a positive real part."""
    a, b, c, d = entries
    up, down = u.exp(), (-u).exp()
    return (a * down + b * up).log(), (c * down + d * up).log()


def at_nodes(system: Arcs, k: int, value: Fraction) -> Any:
    """sqrt(2N - 1) max |r - value| over the N Chebyshev nodes of arc k: a bound for the interpolating polynomial (discrete Parseval, Cauchy-Schwarz)."""
    terms, worst = len(system.coefficients[k]), []
    with ctx.workprec(system.scale + 2 * terms + COARSE):  # in powers of y the coefficients are up to (1 + sqrt 2)^N times as large
        lengths = [arb(q).log() / 2 for q in system.reaches]
        p, unit = [arb(x) for x in system.p], arb(2) ** -system.scale
        series = {target: arb_poly(system.polynomials[target]) for target in {k, *(row[k][0] for row in system.moves)}}
        steps = [(row[k][0], [arb(x) for x in row[k][1]]) for row in system.moves]
        for node in range(terms):
            y = arb.cos_pi_fmpq(fmpq(2 * node + 1, 2 * terms))
            total = -sum(p[1:], start=p[0]) * series[k](y) * unit - ball(value)
            for weight, (target, entries) in zip(p, steps, strict=True):
                first, second = logarithms(entries, lengths[k] * y)
                total += weight * ((first + second) / 2 + series[target]((second - first) / (2 * lengths[target])) * unit)
            worst.append(total.abs_upper())
        return largest(worst) * arb(2 * terms - 1).sqrt()


def in_powers(coefficients: list[Any]) -> Any:
    """sum c_j T_j as a polynomial in y, exactly (Clenshaw's recurrence)."""
    twice, after, found = fmpz_poly([0, 2]), fmpz_poly([]), fmpz_poly([])
    for c in coefficients[:0:-1]:
        after, found = found, twice * found - after + c
    return fmpz_poly([0, 1]) * found - after + coefficients[0]


def between_nodes(system: Arcs, k: int, rho: Any) -> Any:
    """4 M rho^-(N-1)/(rho - 1), where M bounds F = sum p_s ((log l_1 l_2)/2 + G(y'_s)), up to a constant, on the Bernstein ellipse of rho.

    There l_1 and l_2 have no zeros if L (rho - 1/rho)/2 < pi/2. |w - 1| + |w + 1| is subharmonic, so its maximum over y'_s is found on the boundary (the
    upper half: F is real), in pieces; |T_j| <= rho'^j on the ellipse through that point. The rest of the residual is a polynomial of degree < N.
    """
    terms = len(system.coefficients[k])
    pieces = 64 + 2 * terms
    with ctx.workprec(COARSE):
        rho, unit = arb(rho), arb(2) ** -system.scale
        lengths = [arb(q).log() / 2 for q in system.reaches]
        wide, high = (rho + 1 / rho) / 2, (rho - 1 / rho) / 2
        need(lengths[k] * high < arb.pi() / 2, "an ellipse leaves the strip in which the logarithms are analytic")
        bound, boundary = arb(0), []
        for piece in range(pieces):
            t = arb(fmpq(2 * piece + 1, 2 * pieces), fmpq(1, 2 * pieces))
            boundary.append(lengths[k] * acb(wide * t.cos_pi(), high * t.sin_pi()))
        for p, row in zip(system.p, system.moves, strict=True):
            target, entries = row[k][0], [arb(x) for x in row[k][1]]
            growth, axes = [], []
            first, second = logarithms(entries, arb(0))
            centre = (first + second) / 2
            for u in boundary:
                first, second = logarithms(entries, u)
                w = (second - first) / (2 * lengths[target])
                growth.append(((first + second) / 2 - centre).abs_upper())
                axes.append((w - 1).abs_upper() + (w + 1).abs_upper())
            s = largest(axes) / 2
            beyond = (s + (s * s - 1).abs_upper().sqrt()).abs_upper()
            bound += arb(p) * (largest(growth) + arb_poly([abs(c) for c in system.coefficients[target]])(beyond) * unit)
        return (4 * bound / (rho ** (terms - 1) * (rho - 1))).abs_upper()


def largest(values: list[Any]) -> Any:
    """Upper bound of the maximum; rejects what is not finite (a comparison with it would say nothing)."""
    need(all(x.is_finite() for x in values), "a bound is not finite")
    best = values[0]
    for x in values[1:]:
        best = best.max(x)
    return best.abs_upper()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python check_balls.py CERT.json", file=sys.stderr)
        return 2
    try:
        with open(arguments[0], "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        print(f"cannot read {arguments[0]}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        proved = check_balls_text(text)
    except Rejected as reason:
        print(f"rejected: {reason}")
        return 1
    print(f"accepted (with {REQUIRES}): {proved.lo} <= lambda <= {proved.hi}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
