"""The proofs by averages in LaTeX: mean squares (E11, S7), words, and the renewal series (E8)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from ..certificate.check import times
from .notation import fits, listing, matrix, number
from .part import PRODUCT as A
from .part import Part


def words(part: Part) -> str:
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


def mean_square(part: Part) -> str:
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


def weighted_mean_square(part: Part) -> str:
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


def renewal(part: Part) -> str:
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
