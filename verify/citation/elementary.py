"""The proofs of the elementary facts E2 to E7 in LaTeX: each a few sentences that need no file."""

from __future__ import annotations

from fractions import Fraction

from .notation import number
from .part import PRODUCT as A
from .part import Part


def gd(part: Part) -> str:
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


def determinant(part: Part) -> str:
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


def nonexpansive(part: Part) -> str:
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


def equal_norms(part: Part) -> str:
    relation = part.first.relation
    if relation == "=":
        return (
            r"All $\eta K_{ii}$ are $2$, so every step $I-\eta g_ig_i^{\mathsf T}$ is a reflection, all products are isometries of the span of the "
            r"gradients, and $\lambda=0$."
        )
    if part.upper:
        return r"All $K_{ii}$ are equal. " + nonexpansive(part)
    return (
        r"All $K_{ii}$ are equal, and $\eta K_{ii}>2$, so every step has a determinant $1-\eta K_{ii}<-1$ on the span of the "
        r"gradients. " + rf"As $|\det({A})|\le\|{A}\|^d$, $\lambda>0$."
    )


def orthogonal(_: Part) -> str:
    return (
        r"$K$ is diagonal, so every step multiplies the residual of sample $i$ by $1-\frac{\eta}{B}m_iK_{ii}$, $m_i$ counting how often it is in the batch, "
        r"and $\lambda$ is the largest of the numbers $\mathbb E\log|1-\frac{\eta}{B}m_iK_{ii}|$ with $K_{ii}>0$ (strong law of large numbers). The claim "
        r"compares logarithms of rational numbers."
    )


def boundary(part: Part) -> str:
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
