"""The proof of each kind of certificate in LaTeX, self-contained: the argument, the numbers, and, where these are many, the file that lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ..certificate.check import Case, Family, Goal, Rejected, Subject, prove, times
from . import cones
from .claims import Group, Line, joined
from .notation import fits, listing, matrix, number
from .statement import claimed, where

A = r"A_{\xi_n}\cdots A_{\xi_1}"


@dataclass(frozen=True)
class Part:
    """Lines with proofs of one kind in one direction, about the samples of one component."""

    lines: tuple[Line, ...]
    subject: Subject
    samples: tuple[int, ...]
    file: str
    shared: bool = False  # whether the criterion for cones has been stated before

    @property
    def first(self) -> Line:
        return self.lines[0]

    @property
    def upper(self) -> bool:
        return _upper(self.first)

    @property
    def ranged(self) -> bool:
        return any(line.ends for line in self.lines)

    @property
    def family(self) -> Family:
        return self.subject.family(list(self.samples))

    @property
    def batch_one(self) -> bool:
        return self.subject.plain and self.subject.batch == 1


def proved(groups: Sequence[Group], version: int, file: str) -> str:
    """The proof of all lines; `file` is the citation of the certificate."""
    parts = [_parts(group, version, file) for group in groups]
    cone_parts = [part for own in parts for part in own if _uses_cones(part.first.proof)]
    shared = ""
    if len(cone_parts) > 1 or any(len(part.lines) > 1 or part.first.proof["kind"] == "components" for part in cone_parts):
        sides = "".join(side for side in "<>" if any(_upper(line) == (side == "<") for part in cone_parts for line in part.lines))
        shared = cones.criterion(sides, False, False)
    texts = []
    for group, own in zip(groups, parts, strict=True):
        epochs = "Take whole epochs as steps, whose exponent is that many times $\\lambda$ as an epoch has steps. " if own[0].subject.period > 1 else ""
        texts.append(epochs + "\n\n".join(_heading(part, group) + _text(replace(part, shared=bool(shared))) for part in own))
    return shared + (texts[0] if len(texts) == 1 else "\\begin{enumerate}\n" + "\n".join(rf"\item {text}" for text in texts) + "\n\\end{enumerate}")


def _upper(line: Line) -> bool:
    return line.relation in ("<", "<=", "=")


def _text(part: Part) -> str:
    """The proof of a part; an equation by kinds that prove one side at a time is proved in two."""
    kind = part.first.proof["kind"]
    if part.first.relation == "=" and kind not in ("equal-norms", "boundary", "orthogonal"):
        return " ".join(_text(replace(part, lines=tuple(replace(line, relation=side) for line in part.lines))) for side in ("<=", ">="))
    return KINDS[kind](part)


def _uses_cones(proof: dict[str, Any]) -> bool:
    inner = proof["parts"] if proof["kind"] == "components" else ()
    return proof["kind"] in ("planar-forms", "linear-cones", "exterior") or any(_uses_cones(part["proof"]) for part in inner)


def _parts(group: Group, version: int, file: str) -> list[Part]:
    """Ranges with proofs of one kind in one direction stand together, all else alone; in the order of their step sizes."""
    found: dict[Any, list[Line]] = {}
    for number_of, line in enumerate(group.lines):
        kind = line.proof["kind"]
        together = line.ends is not None and kind not in ("components", "gd")
        key: Any = (kind, line.quantity, line.relation) if together else number_of
        if kind in ("balls", "planar-forms") and not together:  # both sides by the same cones
            key = (kind, str(line.at))
        found.setdefault(key, []).append(line)
    parts = []
    for lines in found.values():
        subject = Subject(lines[0].subject, version)
        parts.append(Part(tuple(lines), subject, tuple(range(subject.n)), file))
    return sorted(parts, key=lambda part: min((line.ends or (line.at or Fraction(0), None))[0] for line in part.lines))


def _heading(part: Part, group: Group) -> str:
    """ "Proof of lambda < 0 for eta in (0, 1]." where there is more than one claim to be told apart."""
    if len(group.lines) == len(part.lines):
        return ""
    places = [where(ends, at) for ends, at, _ in joined(part.lines) if (ends or at) and group.step_size is None]
    joint = f", in {len(part.lines)} parts" if len(part.lines) > len(places) > 0 else ""
    claim = claimed(part.lines if len({line.relation for line in part.lines}) > 1 else [part.first])
    return rf"\emph{{Proof of {claim}{' ' if places else ''}{listing(places) if places else ''}{joint}.}} "


def _gd(part: Part) -> str:
    s, radius = part.subject, Fraction(part.first.proof["radius"])
    about = "" if part.first.quantity == "mu" else "Every step uses every sample once, so all exponents are equal to $\\mu$. "
    left = "1" + (r"+\beta" if s.momentum else "") + (r"-\eta(\omega+\kappa/N)" if s.decay else r"-\eta\kappa/N")
    right, roots = (r"R+\beta/R" if s.momentum else "R"), ""
    if s.momentum:
        roots = rf"On an eigenvector of $K$ with eigenvalue $\kappa$ the eigenvalues of the step solve $x^2-({left})x+\beta=0$; both are at most $R$ in "
        roots += rf"modulus iff $R^2\ge\beta$ and $|{left}|\le R+\beta/R$. "
    if not part.upper and radius**2 < s.momentum:
        return rf"{about}{roots}The product of the two roots is $\beta$, so one of them has modulus at least $\sqrt\beta>R={number(radius)}$: $\mu\ge\log R$."
    strict = part.first.relation in ("<", ">") and radius == 1 and part.first.value == 0
    relation = ("<" if strict else r"\le") if part.upper else (">" if strict else r"\ge")
    some, side = "every" if part.upper else "some", rf"\mu{relation}\log R"
    ranged = _ranged(part, r" The left-hand side is convex in $\eta$, so the ends of the range suffice.", r" It stays so for larger $\eta$.")
    ask = f"$|{left}|{relation} {right}$"
    how = (
        r"The numbers of eigenvalues of $K$ above, at and below the ends of the interval of $\kappa$ that this describes are found by rational elimination "
        r"(Sylvester's law of inertia)."
    )
    implied = "" if strict else ", and this bound implies the claim"
    return rf"{about}{roots}With $R={number(radius)}$, {some} nonzero eigenvalue $\kappa$ of $K$ satisfies {ask}. {how}{ranged} Hence ${side}${implied}."


def _ranged(part: Part, above: str, below: str) -> str:
    return (above if part.upper else below) if part.ranged else ""


def _determinant(part: Part) -> str:
    if part.batch_one:
        numbers = ""
        if not part.subject.ranged and len(part.samples) <= 6:
            cs = [part.subject.c(i) for i in part.samples]
            numbers = f", here with $c=({', '.join(map(number, cs))})$"
            if len(set(part.subject.weights)) == 1:
                product = Fraction(1)
                for c in cs:
                    product *= abs(1 - c)
                numbers += f" and $\\prod_i|1-c_i|={number(product)}$"
        text = rf"On the span of the gradients the step of sample $i$ has determinant $1-c_i$, $c_i=\eta K_{{ii}}${numbers}"
        mean = r"\sum_ip_i\log|1-c_i|"
    else:
        text, mean = r"The determinants of the steps are rational numbers", r"\mathbb E\log|\det A_\xi|"
    equal = ", with equality for $d=1$" if part.upper or part.first.relation == "=" else ""
    ends = ""
    if part.subject.ranged:
        ends = (
            " This sum is concave in $\\eta$ where no $c_i$ passes $1$, increasing where all $c_i>1$, and monotone in every $K_{ii}$, so that its least "
            "value is at an end."
        )
    return (
        rf"As $|\det({A})|\le\|{A}\|^d$, $\lambda\ge\frac1d\,{mean}${equal}, $d$ being the dimension. {text}, and the claim is a comparison of logarithms of "
        rf"rational numbers.{ends}"
    )


def _nonexpansive(part: Part) -> str:
    s = part.subject
    if part.batch_one and not s.decay:
        why = (
            rf"All $c_i=\eta K_{{ii}}$ are less than $2${_upper_end(part)}, so every step $I-\eta g_ig_i^{{\mathsf T}}$ is symmetric with eigenvalues $1$ and "
        )
        why += r"$1-c_i\in(-1,1)$:"
    else:
        two = r"(2-\eta\omega)" if s.decay else "2"
        why = (
            r"Every step" + (" (every factor of an epoch)" if s.period > 1 else "") + " is symmetric on the span of the gradients, and all its "
            "eigenvalues on the span of its batch "
        )
        why += rf"lie in $(-1,1)$, as $\frac{{{two}B}}\eta D^{{-1}}-K_{{SS}}$ is positive definite on the support $S$ of the batch, $D$ its multiplicities "
        why += f"(rational elimination){_upper_end(part)}:"
    alone = "" if s.decay else ", in which case the step does not move it"
    return (
        f"{why} it has norm at most one, and leaves the length of a vector unchanged only if that vector is orthogonal to the gradients in its batch{alone}. "
        f"So a product in which every "
        "sample occurs leaves no length unchanged but that of $0$ and has norm less than one, while all other products of the same length have norm at most "
        "one; and "
        rf"$\lambda\le\frac1n\mathbb E\log\|{A}\|$ for every $n$ by subadditivity."
    )


def _upper_end(part: Part) -> str:
    if part.subject.radius:
        return " for every $K'$ in the box"
    return " at the upper end of the range, hence throughout" if part.ranged else ""


def _equal_norms(part: Part) -> str:
    relation = part.first.relation
    if relation == "=":
        return (
            r"All $\eta K_{ii}$ are $2$, so every step $I-\eta g_ig_i^{\mathsf T}$ is a reflection, all products are isometries of the span of the "
            r"gradients, and $\lambda=0$."
        )
    if part.upper:
        return r"All $K_{ii}$ are equal. " + _nonexpansive(part)
    return (
        r"All $K_{ii}$ are equal, and $\eta K_{ii}>2$, so every step has a determinant $1-\eta K_{ii}<-1$ on the span of the "
        r"gradients. " + rf"As $|\det({A})|\le\|{A}\|^d$, $\lambda>0$."
    )


def _orthogonal(_: Part) -> str:
    return (
        r"$K$ is diagonal, so every step multiplies the residual of sample $i$ by $1-\frac{\eta}{B}m_iK_{ii}$, $m_i$ counting how often it is in the batch, "
        r"and $\lambda$ is the largest of the numbers $\mathbb E\log|1-\frac{\eta}{B}m_iK_{ii}|$ with $K_{ii}>0$ (strong law of large numbers). The claim "
        r"compares logarithms of rational numbers."
    )


def _boundary(part: Part) -> str:
    reflecting = part.first.relation != "<"
    head = r"All $c_i=\eta K_{ii}$ are at most $2$, so no step expands. "
    if reflecting:
        return (
            head + r"In some component of the graph of $K$ all $c_i$ are $2$: its steps are reflections, so no product contracts its gradients, and "
            r"$\lambda=0$."
        )
    return (
        head + r"Every component of the graph of the entries $K_{ij}\ne0$ has some $c_i<2$. For a word $w$ let $U_w$ be the subspace of the span $V$ of a "
        r"component's gradients on which $A_w$ is isometric, and choose $w$ with $\dim U_w$ minimal. By minimality $A_wU_w\subset U=\bigcap_{w'}U_{w'}$. The "
        r"subspace $U$ is invariant, every step is isometric on it, so $U\perp g_i$ where $c_i<2$; invariance gives $g_i\in U$ or $g_i\perp U$ for every "
        r"$i$, and by connectedness $U\perp V$, that is $U=0$. Hence $\|A_w|_V\|<1$, all other words of that length have norm at most "
        rf"one, and $\lambda\le\frac1n\mathbb E\log\|{A}\|<0$ for $n$ the length of $w$."
    )


def _components(part: Part) -> str:
    out: list[str] = []
    for one in part.first.proof["parts"]:
        line = replace(part.first, proof=one["proof"])
        inner = replace(part, lines=(line,), samples=tuple(one["component"]))
        if part.upper or (not out and _holds(inner)):
            out.append(rf"\item The samples {', '.join(str(i + 1) for i in inner.samples)}. {_text(inner)}")
    head = (
        r"Samples of different components have $K_{ij}=0$, so the span of the gradients is an orthogonal sum of invariant subspaces, and $\lambda$ is the "
        r"largest of the exponents on "
        "them, in which the steps of the other samples are the identity. "
    )
    head += "Each is bounded:" if part.upper else "It suffices that one is bounded:"
    return head + "\n\\begin{itemize}\n" + "\n".join(out) + "\n\\end{itemize}"


def _holds(part: Part) -> bool:
    """Whether the proof of a component proves the bound: for a lower bound one of them has to."""
    line = part.first
    try:
        prove(Case(part.subject, list(part.samples)), line.proof, Goal(line.quantity, False, line.value * part.subject.period, line.relation == ">"))
    except Rejected:
        return False
    return True


def _words(part: Part) -> str:
    lengths = sorted({line.proof["length"] for line in part.lines})
    n = listing([str(x) for x in lengths])
    text = (
        rf"By subadditivity $\lambda\le\frac1n\mathbb E\log\|{A}\|$ in every submultiplicative norm. Take $n={n}$ and "
        rf"$\|A\|^2=\operatorname{{tr}}(Q^{{-1}}A^{{\mathsf T}}QA)$ with "
    )
    rows = [[Fraction(x) for x in row] for row in part.first.proof["norm"]]
    text += rf"$Q={matrix(rows)}$" if len(part.lines) == 1 and fits(rows) else f"the positive definite $Q$ of {part.file}"
    text += r", the square root of a rational number for each of the finitely many products; the claim compares logarithms of rational numbers."
    if part.ranged:
        text += r" For a range of step sizes the trace is a polynomial in $\eta$, at most its largest Bernstein coefficient on the range."
    return text


def _mean_square(part: Part) -> str:
    rows = [[Fraction(x) for x in row] for row in part.first.proof["matrix"]]
    one = len(part.lines) == 1
    s = rf"$S={matrix(rows)}$" if one and fits(rows) else f"the matrix $S$ of {part.file}"
    r = rf"$R={number(Fraction(part.first.proof['radius']))}$" if one else f"the $R$ of {part.file}"
    if not part.upper:
        return (
            rf"With {s}, positive semidefinite and not zero, and {r}, $\mathbb E[A_\xi SA_\xi^{{\mathsf T}}]-RS$ is positive semidefinite (rational "
            rf"elimination), so the spectral radius of $\mathbb E[A_\xi\otimes A_\xi]$, which preserves the cone of positive semidefinite matrices, is at "
            rf"least $R$, and $\lambda_{{\mathrm{{ms}}}}\ge\frac12\log R$."
        )
    sharp = all(line.relation == "<" and not line.value and Fraction(line.proof["radius"]) == 1 for line in part.lines)
    definite = "positive definite" if sharp else "positive semidefinite"
    ends = r" The matrix $\mathbb E[A_\xi^{\mathsf T}SA_\xi]$ is convex in $\eta$, so both ends of a range suffice." if part.ranged else ""
    last = (
        r"$\lambda\le\lim\frac1{2n}\log\mathbb E\|" + A + r"\|^2\le\frac12\log R$ by Jensen's "
        r"inequality"
        if part.first.quantity == "lambda"
        else r"$\lambda_{\mathrm{ms}}\le\frac12\log R$"
    )
    return (
        rf"With {s}, positive definite, and {r}, $RS-\mathbb E[A_\xi^{{\mathsf T}}SA_\xi]$ is {definite} (rational elimination), so $\mathbb "
        rf"E\,v_n^{{\mathsf T}}Sv_n\le R^nv_0^{{\mathsf T}}Sv_0$ for $v_n={A}v_0$, and "
        rf"{last}{', strictly because that matrix is definite' if sharp else ', which implies the claim'}.{ends}"
    )


def _weighted_mean_square(part: Part) -> str:
    lengths = listing([str(n) for n in sorted({line.proof["length"] for line in part.lines})])
    rows = [[Fraction(x) for x in row] for row in part.first.proof["norm"]]
    q = rf"$Q={matrix(rows)}$" if len(part.lines) == 1 and fits(rows) else f"the positive definite $Q$ of {part.file}"
    ends = r" For $n=1$ the sum is convex in $\eta$, so both ends of a range suffice." if part.ranged else ""
    return (
        rf"With {q}, $|v|^2=v^{{\mathsf T}}Qv$, and the multipliers $t_w>0$ of {part.file} for the words $w$ of length $n={lengths}$ with their "
        rf"probabilities $p_w$, "
        r"$Q-\sum_wp_wt_wA_w^{\mathsf T}QA_w$ is positive semidefinite (rational elimination), definite where the claim is strict at the bound. By the "
        r"inequality of the weighted arithmetic and geometric mean $\prod_w(t_w|A_wv|^2)^{p_w}\le\sum_wp_wt_w|A_wv|^2\le|v|^2$ for every $v$. Put "
        r"$X_w(v)=|A_wv|/|v|$ and, for $0<t\le1$, $\rho_t=\max_v\mathbb E\,X_w(v)^t$. The norms of products of $m$ words satisfy $\mathbb E\|\cdot\|^t\le "
        r"c_t\rho_t^m$, so $n\lambda\le\frac1t\log\rho_t$ by Jensen's inequality, and as $t\downarrow0$ this tends to $\max_v\sum_wp_w\log X_w(v)$ (power "
        r"means decrease, uniformly by Dini's theorem). Hence "
        rf"$\lambda\le-\frac1{{2n}}\sum_wp_w\log t_w$.{ends}"
    )


def _exterior(part: Part) -> str:
    k, line = part.first.proof["power"], replace(part.first, proof=part.first.proof["proof"])
    text = (
        rf"The matrices $\Lambda^kA_s$ of the minors of order $k={k}$ multiply as the $A_s$ do, and $\|\Lambda^k({A})\|\le\|{A}\|^k$, so $k\lambda$ is at "
        rf"least their exponent, which "
    )
    text += "is bounded by cones.\n\n"
    if not part.shared:
        text += cones.criterion(">", not line.value and line.relation == ">", False)
    return text + cones.conditions((line,), False, part.file) + r" Here $A_s$ stands for $\Lambda^kA_s$, and $y$ for $k$ times the bound on $\lambda$."


def _renewal(part: Part) -> str:
    f = part.family
    one = next(k for k, a in enumerate(f.steps) if _rank_one(a))
    a, b, p, q = f.steps[one], f.steps[1 - one], f.p[one], f.p[1 - one]
    x = _trace(b) - (f.d - 1)
    beta = (_trace(a) - _trace(times(b, a))) / (1 - x)
    alpha = _trace(a) - beta
    return (
        rf"One step, $A=ab^{{\mathsf T}}$, has rank one and probability $p={number(p)}$; the other one, $B$, has probability $q={number(q)}$ and satisfies "
        rf"$(B-I)(B-xI)=0$ with $x={number(x)}$. Every visit of $A$ resets the direction to $a$, and between two visits $B$ acts $k$ times with probability "
        rf"$\frac p{{p+q}}(\frac q{{p+q}})^k$, so by the strong law of large numbers "
        r"\[ \lambda=\frac{p^2}{p+q}\sum_{k\ge0}\Bigl(\frac q{p+q}\Bigr)^k\log|\alpha+\beta x^k|,\qquad \alpha+\beta x^k=b^{\mathsf T}B^ka,\quad "
        rf"\alpha={number(alpha)},\ \beta={number(beta)}. \] The first {part.first.proof['terms']} terms, and a bound of the others by $|x|^n$ and $q^n$, "
        rf"prove the claim ($\log0=-\infty$)."
    )


def _rank_one(a: Any) -> bool:
    d = range(len(a))
    return all(a[i][k] * a[j][m] == a[i][m] * a[j][k] for i in d for j in d for k in d for m in d)


def _trace(a: Any) -> Fraction:
    return sum((a[i][i] for i in range(len(a))), start=Fraction(0))


def _cones(part: Part) -> str:
    line, s = part.first, part.subject
    found = cones.by_hand(line, part.family) if len(part.lines) == 1 and not s.ranged else []
    text = _coordinates(part, bool(found)) + "\n\n"
    if not part.shared:
        signs = not line.value and line.relation in ("<", ">")
        text += cones.criterion("<" if part.upper else ">", signs, len(found) == 1)
    return text + (cones.table(line, part.family, found) if found else cones.conditions(part.lines, bool(s.radius), part.file))


def _coordinates(part: Part, shown: bool) -> str:
    """In which coordinates the steps are the rational matrices of the checker."""
    s = part.subject
    if s.matrices is not None:
        return "The family is as stated." if not shown else "The steps are " + cones.steps(part.family) + "."
    if not s.plain or s.batch > 1:
        text = (
            "In the residuals of the samples the steps are rational matrices, rebuilt from the claim by the checker; a fixed linear map takes the one form "
            "to the other, so that the exponents are the same."
        )
    else:
        full = s.ranged or len(part.samples) == part.family.d
        on = "" if full else r", restricted to $\operatorname{range}K$"
        text = (
            r"In the residuals $r_j=\langle g_j,w-w^*\rangle$ the step of sample $i$ is $r\mapsto A_ir$ with $A_i=I-\eta Ke_ie_i^{\mathsf "
            r"T}$" + on + r"; the map from $\operatorname{span}\{g_i\}$ to the "
            "residuals is linear and injective, so that the exponent is the same."
        )
    return text + (" The steps are " + cones.steps(part.family) + "." if shown else "")


def _balls(part: Part) -> str:
    return (
        r"Every step maps a finite union of arcs of directions, not all of them, into its interior. On each arc $h$ is the exponential of a Chebyshev "
        r"polynomial; by the residual sandwich (for $h$ homogeneous of degree one on cones that the steps map into each other up to sign, $\lambda$ lies "
        r"between the extrema of $\sum_sp_s\log(h(A_sv)/h(v))$) it remains to bound that "
        rf"function, analytic on a Bernstein ellipse, between Chebyshev nodes. {part.file[0].upper()}{part.file[1:]} lists the arcs and the coefficients; "
        rf"the bounds are evaluated in ball arithmetic, so that this proof needs "
        r"a library for it (FLINT)."
    )


KINDS: dict[str, Callable[[Part], str]] = {
    "gd": _gd,
    "determinant": _determinant,
    "nonexpansive": _nonexpansive,
    "equal-norms": _equal_norms,
    "orthogonal": _orthogonal,
    "boundary": _boundary,
    "components": _components,
    "words": _words,
    "mean-square": _mean_square,
    "weighted-mean-square": _weighted_mean_square,
    "exterior": _exterior,
    "renewal": _renewal,
    "linear-cones": _cones,
    "planar-forms": _cones,
    "balls": _balls,
}


def hand_checkable(groups: Sequence[Group], version: int) -> bool:
    """Whether statement and proof are written out in full, so that nothing of the file is needed."""
    return all(_full(line, version) for group in groups for line in group.lines)


def _full(line: Line, version: int) -> bool:
    subject, kind = Subject(line.subject, version), line.proof["kind"]
    data = subject.matrices if subject.matrices is not None else [subject.gram if subject.gram is not None else subject.features or []]
    if len(data) > 4 or not all(map(fits, data)):
        return False
    if kind in ("planar-forms", "linear-cones"):
        return not subject.ranged and bool(cones.by_hand(line, subject.family(list(range(subject.n)))))
    return kind not in ("balls", "components", "words", "mean-square", "weighted-mean-square", "exterior") or (
        kind == "mean-square" and fits(line.proof["matrix"]) and line.ends is None
    )
