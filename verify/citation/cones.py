"""The proofs of kind linear-cones and planar-forms in LaTeX: the criterion (S2) with its proof, and the certificate in full where a person can check it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..certificate.check import Family, common_denominator
from ..certificate.written import WrittenPiece, why, written_pieces
from .claims import Line
from .notation import RELATIONS, fits, listing, matrix, number, polynomial, vector
from .part import is_upper

MAX_IMAGES, MAX_DEGREE, MAX_CHARACTERS = 12, 6, 24  # of a table that is to be checked by hand


def by_hand(line: Line, family: Family) -> list[WrittenPiece]:
    """The pieces of a planar sign certificate that is small enough for pencil and paper; empty for any other."""
    proof = line.proof
    if proof["kind"] != "planar-forms" or line.ends or line.value or Fraction(proof["rho"]) != 1 or line.relation not in ("<", ">"):
        return []
    weights = _integer_weights(family)
    leaves = sum(node[0] == "=" for tree in proof["trees"] for node in tree)
    if leaves * len(weights) > MAX_IMAGES or proof["degree"] * sum(weights) > MAX_DEGREE or not all(map(fits, family.steps)):
        return []
    found = list(written_pieces(family.steps, weights, proof))
    numbers = [c for piece in found for row in (piece.difference, *(x for _, _, *image in piece.images for x in image)) for c in row]
    return found if all(len(str(c)) <= MAX_CHARACTERS for c in numbers) else []


def _integer_weights(family: Family) -> list[int]:
    common = common_denominator(family.p)
    return [int(p * common) for p in family.p]


def criterion(sides: str, signs: bool, single: bool) -> str:
    """S2 for finitely many cones (or a `single` one) with its short proof: the `sides` "<", ">" or both, for y = 0 and strictly (`signs`) or any y."""
    if single:
        at, to, source = "h", "h", "C"
        setting = (
            r"Let $C\subset\mathbb R^d$ be a closed convex cone with interior points that contains no line, and let $h\colon C\to[0,\infty)$ be continuous, "
            r"homogeneous of degree one, and positive on $C\setminus\{0\}$. Suppose that there are signs $\sigma_s=\pm1$ with $\sigma_sA_sC\subset C$ for "
            r"every step $A_s$, which has probability $p_s$."
        )
    else:
        at, to, source = "h_k", "h_{k_s}", "Q"
        setting = (
            r"Let $C_1,\dots,C_m\subset\mathbb R^d$ be closed convex cones with interior points that contain no line, and let $h_k\colon C_k\to[0,\infty)$ "
            r"be continuous, homogeneous of degree one, and positive on $C_k\setminus\{0\}$. Let every $C_k$ be a finite union of closed cones, its "
            r"\emph{pieces}, and suppose that for every piece $Q$ of it and every step $A_s$, which has probability $p_s$, there are a sign $\sigma_s=\pm1$ "
            r"and an index $k_s$ with $\sigma_sA_sQ\subset C_{k_s}$."
        )
    rules = []
    for side in sides:
        soft = r"\le" if side == "<" else r"\ge"
        relation, factor = (side, "") if signs else (soft, "e^{y}")
        where = rf"\text{{for all }}v\in {source}\setminus\{{0\}}" + ("" if single else r" \text{ and all }Q\subset C_k")
        formula = rf"\prod_s {to}(\sigma_sA_sv)^{{p_s}}\ {relation}\ {factor}{at}(v)^{{\sum_sp_s}}\qquad {where},"
        strictly = "" if signs else f", and $\\lambda{side} y$ if the inequality is strict"
        rules.append(rf"if \[ {formula} \] then $\lambda{relation} {'0' if signs else 'y'}${strictly}")
    head = rf"\emph{{Criterion.}} {setting} I{'; '.join(rules)[1:]}. "
    chain = (
        r"To see this, follow $v_n=\pm A_{\xi_n}\cdots A_{\xi_1}v_0$ through the cones (a step that is not among the $A_s$ is the identity), write $h(v_n)$ "
        r"for the value in the cone that $v_n$ "
        rf"has been mapped into, and put $X_s(v)={to}(\sigma_sA_sv)/{at}(v)$, which is continuous on "
        rf"{'a compact set' if single else 'finitely many compact sets'} of directions. "
    )
    return head + chain + " ".join(_upper() if side == "<" else _lower() for side in sides) + "\n\n"


def _upper() -> str:
    return (
        r"For $0<t\le1$ let $\rho_t=\max_v\mathbb E\,X_\xi(v)^t$. Then $\mathbb E\,h(v_n)^t\le\rho_t^n\,h(v_0)^t$; a cone with interior points contains a "
        r"basis, so $\mathbb E\|A_{\xi_n}\cdots A_{\xi_1}\|^t\le c_t\rho_t^n$, and $\lambda\le\frac1t\log\rho_t$ by Jensen's inequality. As $t\downarrow0$, "
        r"$(\mathbb E X_\xi^t)^{1/t}$ decreases to $\prod_sX_s^{p_s}$, uniformly by Dini's theorem, so $\lambda\le\max_v\log\prod_sX_s^{p_s}$."
    )


def _lower() -> str:
    return (
        r"For the lower bound, no $X_s$ vanishes, so $m=\min_v\sum_sp_s\log X_s$ is finite, $\mathbb E\log h(v_n)\ge nm+\log h(v_0)$, and $h(v_n)\le "
        r"c\,\|A_{\xi_n}\cdots A_{\xi_1}\|\,|v_0|$ gives $\lambda\ge m$."
    )


def steps(family: Family) -> str:
    """The matrices of the family with their probabilities, displayed."""
    shown = [rf"A_{{{k}}} = {matrix(a)}" if k > 9 else f"A_{k} = {matrix(a)}" for k, a in enumerate(family.steps, 1)]
    same = len(set(family.p)) == 1
    law = f"each with probability ${number(family.p[0])}$" if same and len(shown) > 1 else f"with probability ${', '.join(map(number, family.p))}$"
    rest = "" if sum(family.p) == 1 else f" (with probability ${number(1 - sum(family.p, start=Fraction(0)))}$ the step is the identity)"
    return rf"\[ {(', ' + chr(92) + 'qquad ').join(shown)} \] {law}{rest}"


def table(line: Line, family: Family, found: Sequence[WrittenPiece]) -> str:
    """The whole certificate: cones, h, images, and the form whose sign proves the claim."""
    proof, weights = line.proof, _integer_weights(family)
    cones, single = proof["cones"], len(found) == 1
    degree = proof["degree"]
    out = []
    for k, cone in enumerate(cones):
        name, h = ("C", "h") if len(cones) == 1 else (f"C_{{{k + 1}}}", f"h_{{{k + 1}}}")
        form = polynomial([Fraction(c) for c in proof["forms"][k]])
        value = form if degree == 1 else rf"\sqrt{{{form}}}" if degree == 2 else f"({form})^{{1/{degree}}}"
        out.append(
            rf"Let ${name}$ be the cone of the vectors $v=s\,{vector(cone[0])}^{{\mathsf T}}+t\,{vector(cone[1])}^{{\mathsf T}}$, $s,t\ge0$, and "
            rf"${h}(v)={value}$."
        )
    out.append("" if single else "The pieces, with the images of their vectors $v$, are as follows.")
    for piece in found:
        out.append(_piece(piece, proof, weights, line.relation, single))
    verb = "is less than" if line.relation == "<" else "exceeds"
    power = degree * common_denominator(family.p)
    raised = "" if power == 1 else f" (both sides raised to the power ${power}$)"
    out.append(rf"So the left-hand side of the criterion {verb} the right-hand side{raised}, and $\lambda{RELATIONS[line.relation]}0$.")
    return "\n".join(filter(None, out))


def _piece(piece: WrittenPiece, proof: dict[str, Any], weights: Sequence[int], relation: str, single: bool) -> str:
    cones, forms, degree = proof["cones"], proof["forms"], proof["degree"]
    own = "C" if len(cones) == 1 else f"C_{{{piece.cone + 1}}}"
    lines = []
    for i, (sign, target, x, y) in enumerate(piece.images, 1):
        e = [rf"\,{vector(ray)}^{{\mathsf T}}" for ray in cones[target]]
        into = "C" if len(cones) == 1 else f"C_{{{target + 1}}}"
        image = f"{'-' if sign < 0 else ''}A_{{{i}}}v"
        lines.append(rf"{image} &= \bigl({polynomial(x)}\bigr){e[0]} + \bigl({polynomial(y)}\bigr){e[1]} \in {into}")
        if degree == 1:
            a, b = (Fraction(c) for c in forms[target])
            value = [a * p + b * q for p, q in zip(x, y, strict=True)]
            lines.append(rf"h{into[1:]}({image}) &= {polynomial(value)}")
    factors = []
    for i, ((sign, target, *_), w) in enumerate(zip(piece.images, weights, strict=True), 1):
        h = "h" if len(cones) == 1 else f"h_{{{target + 1}}}"
        factors.append(rf"{h}({'-' if sign < 0 else ''}A_{{{i}}}v)" + (f"^{{{w * degree}}}" if w * degree > 1 else ""))
    here = ("h" if len(cones) == 1 else f"h_{{{piece.cone + 1}}}") + "(v)" + (f"^{{{sum(weights) * degree}}}" if sum(weights) * degree > 1 else "")
    spaced = r"\,".join(factors)
    lines.append(rf"{spaced} - {here} &= {polynomial(piece.difference)}")
    head = "For every $v$ in it" if single else rf"On ${own}$" if piece.whole else _corners(own, piece)
    name = "negative" if relation == "<" else "positive"
    reason = {
        "coefficients": rf"the last expression is {name} for $(s,t)\ne0$, as its coefficients have one sign",
        "discriminant": rf"the last expression is {name} for $(s,t)\ne0$, as its discriminant is negative and its outer coefficients are {name}",
        "bisection": rf"the last expression is {name} for $(s,t)\ne0$, as one sees from its coefficients after one or more substitutions "
        rf"$(s,t)=(s'+t',t')$ and $(s',s'+t')$",
    }[why(piece.difference, relation)]
    body = " \\\\\n".join(lines)
    return rf"{head}" + "\n\\begin{align*}\n" + body + "\n\\end{align*}\n" + f"and {reason}."


def _corners(own: str, piece: WrittenPiece) -> str:
    first, second = (vector(c) for c in piece.corners)
    return rf"On the piece of ${own}$ of the vectors $v=s\,{first}^{{\mathsf T}}+t\,{second}^{{\mathsf T}}$, $s,t\ge0$,"


def conditions(lines: Sequence[Line], radius: bool, file: str) -> str:
    """What a certificate that is too large to be shown contains, and which finitely many inequalities between integers are to be checked."""
    proofs = [line.proof for line in lines]
    upper = lines[0].relation in ("<", "<=")
    counts = [(len(p["cones"]), sum(node[0] == "=" for tree in p["trees"] for node in tree)) for p in proofs]
    cones = _range([c for c, _ in counts], "simplicial cone")
    parts = _range([n for _, n in counts], "piece")
    planar = proofs[0]["kind"] == "planar-forms"
    relation = r"\le" if upper else r"\ge"
    other = "" if len({is_upper(line) for line in lines}) == 1 else rf" (and with ${chr(92)}{'ge' if upper else 'le'}$ and another $y$ for the other bound)"
    per = " for each range" if len(lines) > 1 and lines[0].ends else ""
    text = (
        f"{file[0].upper()}{file[1:]} lists{per} {cones} with integer generators, cut into {parts}, and for each piece and each step the sign $\\sigma_s$ "
        f"and the index $k_s$. "
    )
    text += r"That $\sigma_sA_sQ\subset C_{k_s}$ is a statement about the signs of the coordinates of the images of the generators. "
    if planar:
        degrees = sorted({p["degree"] for p in proofs})
        text += (
            rf"There $h_k=F_k^{{1/q}}$ with a form $F_k$ of degree $q$ ({listing([f'${q}$' for q in degrees])}) with positive integer coefficients in the "
            rf"coordinates of the cone; with integers "
        )
        text += (
            rf"$P_s=Pp_s$ the inequality of the criterion is $\prod_sF_{{k_s}}(\sigma_sA_sv)^{{P_s}}{relation}\varrho F_k(v)^{{\sum_sP_s}}$ with "
            rf"$\log\varrho=qPy${other}, a statement about binary forms with "
        )
        text += "rational coefficients, which is read off from the signs of their coefficients, after bisections of the piece where needed"
    elif upper:
        text += (
            r"There $h_k$ is linear, and with multipliers $t_s>0$ that are listed for each piece the inequality of the weighted arithmetic and geometric "
            r"mean reduces the criterion to "
        )
        text += r"$\sum_sp_st_sh(\sigma_sA_sv)\le h(v)\sum_sp_s$ at the generators of the pieces and $-\sum_sp_s\log t_s\le y$"
    else:
        text += (
            r"There $h_k$ is linear and $\sum_sp_s\log h(\sigma_sA_sv)$ is concave on the part of the piece where $h_k=1$, so the criterion is checked at "
            r"the generators of the pieces"
        )
    text += ". "
    if any(line.ends for line in lines):
        text += (
            r"All this is checked for a whole range of step sizes at once: $A_s$ is affine in $\eta$, so images that lie in $C_{k_s}$, with the same sign "
            r"$\sigma_s$, at both ends of a "
        )
        text += r"range lie in it throughout, and "
        text += (
            r"the forms are homogeneous in $v$ and in the weights of the two ends, with coefficients of one sign. "
            if planar
            else "the inequalities are affine or concave in $\\eta$, so that the ends suffice. "
        )
    if radius:
        text += (
            r"All this is checked for the whole box at once: replacing $K$ by $K'$ moves $A_sv$ by at most $\eta\delta|v_s|$ in every entry, hence its "
            r"coordinates in a cone by a bounded amount. "
        )
        text += "The images stay in the cones after that amount has been subtracted, and, the forms being monotone, the inequality holds after it has been "
        text += "added. " if upper else "subtracted. "
    return text.rstrip()


def _range(counts: Sequence[int], name: str) -> str:
    low, high = min(counts), max(counts)
    return f"{low} {name}{'s' if low > 1 else ''}" if low == high else f"{low} to {high} {name}s"
