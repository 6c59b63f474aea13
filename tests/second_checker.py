"""A second opinion on the trusted checker: slow, simple, exact, and written without a look at it.

It decides certificates of format version 2 from `verify/certificate/FORMAT.md` and the mathematics alone, with the standard library and fractions;
it shares no code with `verify/certificate/check.py`. `accepts(certificate)` is the verdict; `NotCovered` is raised for what it leaves out:

* other versions; features, singular kernels, boxes ("radius"), momentum, weight decay, vector outputs, epochs;
* proofs of kind components, weighted-mean-square, exterior and renewal; words over a range of step sizes;
* the trusted checker's limits (bytes, work): there are none here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from fractions import Fraction
from typing import Any

Matrix = list[list[Fraction]]
Poly = dict[tuple[int, int], int]
NEVER = {"components", "weighted-mean-square", "exterior", "renewal"}
INFINITY = None  # the upper end of a range without end


class NotCovered(Exception):
    """The second checker has no opinion."""


class Refused(Exception):
    """The certificate proves nothing."""


def accepts(certificate: dict[str, Any]) -> bool:
    """Whether the certificate proves its claim."""
    try:
        whole(certificate)
    except Refused:
        return False
    return True


def need(condition: object, why: str = "") -> None:
    if not condition:
        raise Refused(why)


def keys(thing: Any, required: str, optional: str = "") -> None:
    need(isinstance(thing, dict) and set(required.split()) <= set(thing) <= set((required + " " + optional).split()), "keys")


def rational(text: Any) -> Fraction:
    need(isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,2000}(/(?!0+$)[0-9]{1,2000})?", text), "not a rational")
    return Fraction(text)


def integer(text: Any) -> int:
    need(isinstance(text, str) and "/" not in text, "not an integer")
    return int(rational(text))


def index(value: Any, below: int) -> int:
    need(type(value) is int and 0 <= value < below, "index")
    return int(value)


def array(thing: Any, length: int | None = None) -> list[Any]:
    need(isinstance(thing, list) and (length is None or len(thing) == length), "list")
    return list(thing)


def square(thing: Any, size: int | None = None) -> Matrix:
    rows = array(thing, size)
    need(rows, "empty")
    return [[rational(x) for x in array(row, len(rows))] for row in rows]


def identity(d: int) -> Matrix:
    return [[Fraction(i == j) for j in range(d)] for i in range(d)]


def transposed(a: Matrix) -> Matrix:
    return [list(column) for column in zip(*a, strict=True)]


def product(a: Matrix, b: Matrix) -> Matrix:
    return [[sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in zip(*b, strict=True)] for row in a]


def mixed(x: Fraction, a: Matrix, y: Fraction, b: Matrix) -> Matrix:
    return [[x * u + y * v for u, v in zip(r, s, strict=True)] for r, s in zip(a, b, strict=True)]


def determinant(a: Matrix) -> Fraction:
    """Expansion along the first row."""
    if not a:
        return Fraction(1)
    return sum(((-1) ** j * x * determinant([row[:j] + row[j + 1 :] for row in a[1:]]) for j, x in enumerate(a[0]) if x), Fraction(0))


def inverse(a: Matrix) -> Matrix:
    """Cofactors over the determinant."""
    whole_, d = determinant(a), len(a)
    need(whole_, "singular")
    rest = [[[row[:j] + row[j + 1 :] for k, row in enumerate(a) if k != i] for j in range(d)] for i in range(d)]
    return [[(-1) ** (i + j) * determinant(rest[j][i]) / whole_ for j in range(d)] for i in range(d)]


def counts(a: Matrix, c: Fraction) -> tuple[int, int, int]:
    """How many eigenvalues of the symmetric A lie below, at and above c: Descartes' rule is exact for the characteristic polynomial of A - cI."""
    d = len(a)
    b, power, coefficients = mixed(Fraction(1), a, -c, identity(d)), identity(d), [Fraction(1)]
    for k in range(1, d + 1):  # Faddeev and LeVerrier
        power = product(b, power)
        coefficients.append(-sum((power[i][i] for i in range(d)), Fraction(0)) / k)
        power = mixed(Fraction(1), power, coefficients[-1], identity(d))
    signs = [x > 0 for x in coefficients if x]
    above = sum(x != y for x, y in itertools.pairwise(signs))
    at = d - max(k for k, x in enumerate(coefficients) if x)
    return d - above - at, at, above


def definite(a: Matrix) -> bool:
    return counts(a, Fraction(0))[2] == len(a)


def semidefinite(a: Matrix) -> bool:
    return counts(a, Fraction(0))[0] == 0


def symmetric(a: Matrix) -> Matrix:
    need(a == transposed(a), "not symmetric")
    return a


def logarithm(x: Fraction, bits: int) -> tuple[int, int]:
    """Integers below and above 2^bits log x: x = 2^k y, 1 <= y < 2, log y = 2 artanh z, 0 <= z = (y - 1)/(y + 1) < 1/3; log 2 has z = 1/3."""

    def small(z: Fraction) -> tuple[int, int]:
        one, low, high, j = 1 << bits, 0, 0, 1
        a, b = math.floor(z * one), math.ceil(z * one)
        a2, b2 = a * a // one, -(-b * b // one)
        while 9 ** ((j + 1) // 2) < one << 8:
            low, high = low + a // j, high - (-b // j)
            a, b, j = a * a2 // one, -(-b * b2 // one), j + 2
        return 2 * low, 2 * (high + 2 * b + 1)  # the rest of the series is at most z^j / (1 - z^2)

    k = x.numerator.bit_length() - x.denominator.bit_length()
    k -= x < Fraction(2) ** k
    low, high = small((x / Fraction(2) ** k - 1) / (x / Fraction(2) ** k + 1))
    two = small(Fraction(1, 3))
    return low + min(k * two[0], k * two[1]), high + max(k * two[0], k * two[1])


def compare(terms: list[tuple[Fraction, Fraction]], value: Fraction) -> int:
    """The sign of sum w log x - value (w > 0, x >= 0, log 0 = -inf)."""
    if any(x == 0 for _, x in terms):
        return -1
    for bits in (100, 400) if value == 0 else (100, 400, 1600, 6400):
        ends = [[w * y for y in logarithm(x, bits)] for w, x in terms]
        low, high = (sum((pair[side] for pair in ends), Fraction(0)) - value * 2**bits for side in (0, 1))
        if low > 0 or high < 0:
            return 1 if low > 0 else -1
    if value:
        raise NotCovered("undecided logarithms")
    scale = math.lcm(1, *(w.denominator for w, _ in terms))
    power = math.prod(x ** int(w * scale) for w, x in terms)
    return (power > 1) - (power < 1)


class Subject:
    """A family: its steps at every end of the range of step sizes (one end: one step size), and their probabilities."""

    def __init__(self, data: Any) -> None:
        need(isinstance(data, dict), "subject")
        self.gram: Matrix = []
        if "matrices" in data:
            keys(data, "matrices weights")
            listed = [square(a) for a in array(data["matrices"])]
            need(listed and all(len(a) == len(listed[0]) for a in listed), "sizes")
            self.d, self.ranged, self.ends = len(listed[0]), False, [Fraction(1)]
            merged: list[tuple[Matrix, Fraction]] = []
            for a, w in zip(listed, self.weights(data["weights"], len(listed)), strict=True):
                same = [k for k, (b, _) in enumerate(merged) if a == b]
                merged = [(b, v + w if k in same else v) for k, (b, v) in enumerate(merged)] + ([] if same else [(a, w)])
            merged = [(a, w) for a, w in merged if a != identity(self.d)]
            self.p, self.steps = [w for _, w in merged], [[a for a, _ in merged]]
            return
        if {"features", "radius", "momentum", "weight_decay", "outputs"} & set(data) or data.get("optimiser") == "reshuffled":
            raise NotCovered("subject")
        need(data.get("optimiser") in ("sgd", "gd"), "optimiser")
        keys(data, *(("optimiser gram step_size batch replacement", "weights") if data["optimiser"] == "sgd" else ("optimiser gram step_size", "")))
        self.gram = symmetric(square(data["gram"]))
        n = self.d = len(self.gram)
        need(semidefinite(self.gram) and any(map(any, self.gram)), "kernel")
        if not definite(self.gram):
            raise NotCovered("singular kernel")
        self.range(data["step_size"])
        batch, replacement = (data["batch"], data["replacement"]) if data["optimiser"] == "sgd" else (n, False)
        need(type(batch) is int and batch >= 1 and type(replacement) is bool and (replacement or batch <= n), "batch")
        need("weights" not in data or replacement or batch == 1, "weights")
        self.batch = batch
        self.full = n == 1 or (batch == n and not replacement)
        weights = self.weights(data["weights"], n) if "weights" in data else [Fraction(1, n)] * n
        self.p, self.m = [], []
        for m in sorted((m for m in itertools.product(range(batch + 1), repeat=n) if sum(m) == batch), reverse=True):
            if not replacement and max(m) > 1:
                continue
            ways = math.factorial(batch) // math.prod(math.factorial(x) for x in m)
            self.m.append(m)
            drawn = ways * math.prod(w**x for w, x in zip(weights, m, strict=True))
            self.p.append(drawn if replacement else Fraction(1, math.comb(n, batch)))
        self.steps = [[self.step(eta, m) for m in self.m] for eta in self.ends if eta is not INFINITY]

    def step(self, eta: Fraction, m: tuple[int, ...]) -> Matrix:
        return [[Fraction(i == j) - eta / self.batch * m[j] * self.gram[i][j] for j in range(self.d)] for i in range(self.d)]

    def range(self, data: Any) -> None:
        self.ranged = isinstance(data, list)
        ends = array(data, 2) if self.ranged else [data]
        self.ends: list[Any] = [INFINITY if self.ranged and k == 1 and x == "inf" else rational(x) for k, x in enumerate(ends)]
        low, high = self.ends[0], self.ends[-1]
        need(low >= 0 if self.ranged else low > 0, "step size")
        need(not self.ranged or high is INFINITY or low < high, "range")

    @staticmethod
    def weights(data: Any, n: int) -> list[Fraction]:
        found = [rational(w) for w in array(data, n)]
        need(all(w > 0 for w in found), "weights")
        return [w / sum(found) for w in found]


def whole(certificate: Any) -> None:
    keys(certificate, "format version claim proof id")
    content = {key: value for key, value in certificate.items() if key != "id"}
    name = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    need(certificate["format"] == "sgd-verify-certificate" and certificate["id"] == "sha256:" + name, "format, id")
    if certificate["version"] != 2 or type(certificate["version"]) is not int:
        raise NotCovered("version")
    claim, proof = certificate["claim"], certificate["proof"]
    need(isinstance(claim, dict), "claim")
    if "all" not in claim:
        single(claim, proof, {})
        return
    keys(claim, "all")
    keys(proof, "kind parts")
    claims = array(claim["all"])
    need(proof["kind"] == "conjunction" and claims, "conjunction")
    subjects: dict[int, Any] = {}
    for k, (part, shown) in enumerate(zip(claims, array(proof["parts"], len(claims)), strict=True)):
        single(part, shown, subjects)
        subjects[k] = subjects[part["subject"]] if type(part["subject"]) is int else part["subject"]


def single(claim: Any, proof: Any, earlier: dict[int, Any]) -> None:
    keys(claim, "subject quantity relation value")
    subject = claim["subject"]
    if type(subject) is int:
        need(subject in earlier, "index of a subject")
        subject = earlier[subject]
    about, value, relation = Subject(subject), rational(claim["value"]), claim["relation"]
    need(claim["quantity"] in ("lambda", "mu", "ms") and relation in ("<", "<=", "=", ">=", ">"), "claim")
    need(isinstance(proof, dict) and isinstance(proof.get("kind"), str), "proof")
    if proof["kind"] in NEVER:
        raise NotCovered(proof["kind"])
    need(proof["kind"] in KINDS, "kind")
    needed, rule = KINDS[proof["kind"]]
    keys(proof, "kind " + needed)
    for upper in {"<": [True], "<=": [True], "=": [True, False], ">=": [False], ">": [False]}[relation]:
        rule(about, Goal(claim["quantity"], upper, value, relation in "<>"), proof)


class Goal:
    """One statement: quantity <= value (upper) or >= value, perhaps strict."""

    def __init__(self, quantity: str, upper: bool, value: Fraction, strict: bool) -> None:
        self.quantity, self.upper, self.value, self.strict = quantity, upper, value, strict

    def by(self, terms: list[tuple[Fraction, Fraction]], strictly: bool = False) -> bool:
        """Whether the bound sum w log x, never attained if `strictly`, implies the statement."""
        sign = compare(terms, self.value) * (1 if self.upper else -1)
        return sign < 0 or (sign == 0 and (strictly or not self.strict))

    def zero(self, upper: bool, strictly: bool = False) -> None:
        """The quantity was shown to be <= 0 (upper) or >= 0."""
        need(self.upper == upper and self.by([], strictly), "sign")


def by_gd(s: Subject, goal: Goal, proof: Any) -> None:
    need(s.gram and (goal.quantity == "mu" or s.full), "not gradient descent")
    r, n = rational(proof["radius"]), s.d
    need(r >= 0, "radius")
    low, high = s.ends[0], s.ends[-1]
    strict = not goal.by([(Fraction(1), r)])  # at exactly log R the inequalities have to be strict
    need(goal.by([(Fraction(1), r)], True), "radius does not imply the value")
    if goal.upper:
        need(high is not INFINITY and (low > 0 or r >= 1), "range")
        for eta in s.ends:
            if eta > 0:
                below, above = counts(s.gram, n * (1 - r) / eta), counts(s.gram, n * (1 + r) / eta)
                need(below[0] == 0 and above[2] == 0 and not (strict and (below[1] or above[1])), "eigenvalue outside")
    else:
        need(low > 0, "range")
        below, above = counts(s.gram, n * (1 - r) / low), counts(s.gram, n * (1 + r) / low)
        beyond = above[2] + above[1] * (not strict)
        need(beyond + (0 if s.ranged else below[0] + below[1] * (not strict)), "no eigenvalue outside")


def by_determinant(s: Subject, goal: Goal, _: Any) -> None:
    need(goal.quantity == "lambda" and (not goal.upper or (s.d == 1 and not s.ranged)), "E4")
    if s.ranged:
        low, high = s.ends
        need(s.batch == 1, "E4 over ranges")
        for i in range(s.d):
            c = s.gram[i][i]
            need(low * c > 1 if high is INFINITY else (low * c > 1 or high * c < 1), "passes 1")
    for steps in s.steps:
        need(goal.by([(p / s.d, abs(determinant(a))) for p, a in zip(s.p, steps, strict=True)]), "E4")


def by_nonexpansive(s: Subject, goal: Goal, _: Any) -> None:
    need(s.gram and goal.quantity == "lambda" and s.ends[-1] is not INFINITY, "E5")
    goal.zero(True, True)
    for m in s.m:
        support = [i for i in range(s.d) if m[i]]
        need(definite([[(2 * s.batch / s.ends[-1] / m[i] if i == j else 0) - s.gram[i][j] for j in support] for i in support]), "expands")


def by_equal_norms(s: Subject, goal: Goal, _: Any) -> None:
    need(s.gram and s.batch == 1 and goal.quantity == "lambda" and len({s.gram[i][i] for i in range(s.d)}) == 1, "E7")
    k, end = s.gram[0][0], s.ends[-1 if goal.upper else 0]
    need(end is not INFINITY and (end * k <= 2 if goal.upper else end * k >= 2) and not (s.ranged and end * k == 2), "side of 2")
    goal.zero(goal.upper, end * k != 2)


def by_boundary(s: Subject, goal: Goal, _: Any) -> None:
    need(s.gram and s.batch == 1 and goal.quantity == "lambda" and not s.ranged, "E5'")
    c = [s.ends[0] * s.gram[i][i] for i in range(s.d)]
    need(max(c) <= 2, "above 2")
    reached = {i for i in range(s.d) if c[i] < 2}
    for _ in range(s.d):
        reached |= {j for i in reached for j in range(s.d) if s.gram[i][j]}
    negative = len(reached) == s.d
    need(goal.upper or not negative, "lambda < 0")
    goal.zero(goal.upper, negative)


def by_orthogonal(s: Subject, goal: Goal, _: Any) -> None:
    need(s.gram and goal.quantity == "lambda" and not s.ranged, "E3")
    need(not any(s.gram[i][j] for i in range(s.d) for j in range(i)), "not diagonal")
    found = [goal.by([(p, abs(a[i][i])) for p, a in zip(s.p, s.steps[0], strict=True)]) for i in range(s.d)]
    need(all(found) if goal.upper else any(found), "E3")


def with_identity(s: Subject, steps: list[Matrix]) -> list[tuple[Fraction, Matrix]]:
    rest = 1 - sum(s.p)
    return [*zip(s.p, steps, strict=True), *([(rest, identity(s.d))] if rest else [])]


def by_words(s: Subject, goal: Goal, proof: Any) -> None:
    need(goal.quantity == "lambda" and goal.upper, "words")
    if s.ranged:
        raise NotCovered("words over ranges")
    n, q = proof["length"], symmetric(square(proof["norm"], s.d))
    need(type(n) is int and n >= 1 and definite(q), "words")
    terms: dict[Fraction, Fraction] = {}
    for word in itertools.product(with_identity(s, s.steps[0]), repeat=n):
        p, a = Fraction(1), identity(s.d)
        for x, step in word:
            p, a = p * x, product(a, step)
        b = product(product(inverse(q), transposed(a)), product(q, a))
        trace = sum((b[i][i] for i in range(s.d)), Fraction(0))
        terms[trace] = terms.get(trace, Fraction(0)) + p / (2 * n)
    need(goal.by([(w, x) for x, w in terms.items()]), "words")


def by_mean_square(s: Subject, goal: Goal, proof: Any) -> None:
    need(goal.quantity == "ms" or (goal.upper and goal.quantity == "lambda"), "E11")
    need(not s.ranged or (goal.upper and s.ends[0] > 0 and s.ends[1] is not INFINITY), "range")
    form, r = symmetric(square(proof["matrix"], s.d)), rational(proof["radius"])
    need(r >= 0 and goal.by([(Fraction(1, 2), r)], True), "radius does not imply the value")
    need(definite(form) if goal.upper else semidefinite(form) and any(map(any, form)), "matrix")
    strict = not goal.by([(Fraction(1, 2), r)])
    for steps in s.steps:
        mean = [[Fraction(0)] * s.d for _ in range(s.d)]
        for p, a in with_identity(s, steps):
            left, right = (transposed(a), a) if goal.upper else (a, transposed(a))
            mean = mixed(Fraction(1), mean, p, product(product(left, form), right))
        rest = mixed(r, form, Fraction(-1), mean) if goal.upper else mixed(Fraction(1), mean, -r, form)
        need(definite(rest) if strict else semidefinite(rest), "E11")


def cone_pieces(s: Subject, proof: Any, width: int) -> Any:
    """Every piece: cone, generators in its coordinates, labels, multipliers, and the absolute coordinates of images by end, step, generator."""
    need(not s.ranged or (s.ends[0] > 0 and s.ends[1] is not INFINITY), "range")
    d, m = s.d, len(s.p)
    cones = [[[Fraction(integer(x)) for x in array(v, d)] for v in array(cone, d)] for cone in array(proof["cones"])]
    need(cones, "no cones")
    inverses = [inverse(transposed(cone)) for cone in cones]
    forms = [[integer(x) for x in array(form, width)] for form in array(proof["forms"], len(cones))]
    need(all(x > 0 for form in forms for x in form), "forms")
    for k, tree in enumerate(array(proof["trees"], len(cones))):
        todo = [identity(d)]
        for node in array(tree):
            need(todo and array(node), "tree")
            piece = todo.pop()
            if node[0] == "/":
                array(node, 5)
                i, j, a, b = index(node[1], d), index(node[2], d), integer(node[3]), integer(node[4])
                need(i != j and a > 0 and b > 0, "cut")
                ray = [a * x + b * y for x, y in zip(piece[i], piece[j], strict=True)]
                todo += [[ray if at == which else e for at, e in enumerate(piece)] for which in (i, j)]
                continue
            need(node[0] == "=" and len(node) in (1 + m, 1 + 2 * m), "leaf")
            labels = [index(x, len(cones)) for x in node[1 : 1 + m]]
            multipliers = [rational(t) for t in node[1 + m :]]
            need(all(t > 0 for t in multipliers), "multipliers")
            images = []
            generators = product(piece, cones[k])  # rows are vectors
            for steps in s.steps:
                images.append([[[sum((x * y for x, y in zip(row, v, strict=True)), Fraction(0)) for row in product(inverses[c], a)] for v in generators]
                               for c, a in zip(labels, steps, strict=True)])
            for step in range(m):
                seen = [x for at in images for v in at[step] for x in v]
                need(min(seen) >= 0 or max(seen) <= 0, "image")
            yield k, forms, piece, labels, multipliers, [[[[abs(x) for x in v] for v in one] for one in at] for at in images]
        need(not todo, "tree")


def by_linear_cones(s: Subject, goal: Goal, proof: Any) -> None:
    need(goal.quantity == "lambda", "S4")
    total = sum(s.p, Fraction(0))
    for k, forms, piece, labels, multipliers, images in cone_pieces(s, proof, s.d):
        need(multipliers or not goal.upper or not s.p, "no multipliers")
        slack = []
        for at in images:
            for j, e in enumerate(piece):
                base = sum((f * x for f, x in zip(forms[k], e, strict=True)), Fraction(0))
                values = [sum((f * x for f, x in zip(forms[c], one[j], strict=True)), Fraction(0)) for c, one in zip(labels, at, strict=True)]
                if goal.upper:
                    slack.append(total * base - sum((p * t * x for p, t, x in zip(s.p, multipliers, values, strict=True)), Fraction(0)))
                else:
                    need(goal.by([(p, x / base) for p, x in zip(s.p, values, strict=True)]), "below")
        if goal.upper:
            need(min(slack) >= 0 and goal.by([(p, 1 / t) for p, t in zip(s.p, multipliers, strict=True)]), "above")


def times(a: Poly, b: Poly) -> Poly:
    found: Poly = {}
    for (i, j), x in a.items():
        for (k, n), y in b.items():
            found[i + k, j + n] = found.get((i + k, j + n), 0) + x * y
    return found


def power(a: Poly, n: int) -> Poly:
    found: Poly = {(0, 0): 1}
    for _ in range(n):
        found = times(found, a)
    return found


def composed(form: list[int], x: Poly, y: Poly) -> Poly:
    found: Poly = {}
    for j, c in enumerate(form):
        for key, value in times(power(x, len(form) - 1 - j), power(y, j)).items():
            found[key] = found.get(key, 0) + c * value
    return found


def halves(row: list[int]) -> tuple[list[int], list[int]]:
    """sum c_i x^(n-i) y^i on the cones of (1, 0), (1, 1) and of (1, 1), (0, 1)."""
    n = len(row) - 1
    first = [sum(row[i] * math.comb(n - i, k - i) for i in range(k + 1)) for k in range(n + 1)]
    second = [sum(row[i] * math.comb(i, k) for i in range(k, n + 1)) for k in range(n + 1)]
    return first, second


def positive(grid: list[list[int]], strict: bool, depth: int) -> bool:
    """Whether the form is >= 0 (> 0) on the quadrants: by its coefficients, after bisections in turn (rows, columns)."""
    corners = (grid[0][0], grid[0][-1], grid[-1][0], grid[-1][-1])
    if min(corners) < strict:
        return False
    if min(map(min, grid)) >= strict or depth == 0:
        return min(map(min, grid)) >= strict
    cut = [halves(row) for row in grid]
    pieces = [[pair[side] for pair in cut] for side in (0, 1)]
    return all(positive([list(c) for c in zip(*piece, strict=True)] if len(grid) > 1 else piece, strict, depth - 1) for piece in pieces)


def by_planar_forms(s: Subject, goal: Goal, proof: Any) -> None:
    q, rho = proof["degree"], rational(proof["rho"])
    need(goal.quantity == "lambda" and s.d == 2 and type(q) is int and q >= 1 and rho >= 0, "S5")
    common = math.lcm(1, *(p.denominator for p in s.p))
    exponents = [int(p * common) for p in s.p]
    bound = [(Fraction(1, q * common), rho)]
    need(goal.by(bound, True), "rho does not imply the value")
    strict, size, ranged = not goal.by(bound), q * sum(exponents), int(s.ranged)
    for k, forms, piece, labels, multipliers, images in cone_pieces(s, proof, q + 1):
        need(not multipliers, "multipliers")
        scale = math.lcm(*(x.denominator for e in piece for x in e))
        right = power(composed(forms[k], *({(j, 0): int(piece[j][c] * scale) for j in (0, 1)} for c in (0, 1))), sum(exponents))
        right = times(right, power({(0, 0): 1, (0, 1): 1}, size)) if ranged else right
        left: Poly = {(0, 0): 1}
        ratio = rho / Fraction(scale) ** size
        for step, (label, exponent) in enumerate(zip(labels, exponents, strict=True)):
            scale = math.lcm(*(x.denominator for at in images for v in at[step] for x in v))
            x, y = ({(j, e): int(at[step][j][c] * scale) for e, at in enumerate(images) for j in (0, 1)} for c in (0, 1))
            left = times(left, power(composed(forms[label], x, y), exponent))
            ratio *= Fraction(scale) ** (q * exponent)
        sign = -1 if goal.upper else 1
        grid = [[sign * (left.get((i, j), 0) * ratio.denominator - right.get((i, j), 0) * ratio.numerator) for i in range(size + 1)]
                for j in range(ranged * size + 1)]
        need(positive(grid, strict, 16), "sign")


KINDS: dict[str, tuple[str, Any]] = {
    "gd": ("radius", by_gd), "determinant": ("", by_determinant), "nonexpansive": ("", by_nonexpansive), "equal-norms": ("", by_equal_norms),
    "boundary": ("", by_boundary), "orthogonal": ("", by_orthogonal), "words": ("length norm", by_words),
    "mean-square": ("matrix radius", by_mean_square), "linear-cones": ("cones forms trees", by_linear_cones),
    "planar-forms": ("degree rho cones forms trees", by_planar_forms),
}  # fmt: skip
