"""The statement of a certificate in LaTeX: the minimum, the optimiser, the exponent that is meant, and what is claimed about it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..certificate.check import Subject
from .claims import Ends, Group, Line, joined
from .notation import RELATIONS, SYMBOLS, fits, listing, matrix, number

CHEMNITZ_ENGEL = "ChemnitzEngel2025"


def stated(group: Group, file: str) -> str:
    """Two or three sentences: "Let K = ... Then lambda < 0." `file` names the certificate where the data are too large to be shown."""
    return f"{_data(group, file)} {_exponents(group)} {_claims(group)}"


def _rows(value: Any) -> list[list[Fraction]]:
    return [[Fraction(x) for x in row] for row in value]


def _shown(name: str, value: Any, file: str) -> str:
    rows = _rows(value)
    if fits(rows):
        return rf"\[ {name} = {matrix(rows)} \]"
    return rf"${name}$, the matrix of {len(rows)} rows and {len(rows[0])} columns in the claim of {file},"


def _data(group: Group, file: str) -> str:
    s = group.subject
    if "matrices" in s:
        every = [_rows(a) for a in s["matrices"]]
        weights = ", ".join(number(Fraction(w)) for w in s["weights"])
        law = (
            "with probability one"
            if len(every) == 1
            else "with equal probabilities"
            if len(set(s["weights"])) == 1
            else f"with probabilities proportional to ${weights}$"
        )
        if len(every) <= 4 and all(map(fits, every)):
            values = r",\quad ".join(f"A_{k} = {matrix(a)}" for k, a in enumerate(every, 1))
            return rf"Let independent random matrices take the value{'s' if len(every) > 1 else ''} \[ {values} \] {law}."
        return f"Let independent random matrices take the {len(every)} values in the claim of {file}, {law}."
    outputs = s.get("outputs", 1)
    key = "gram" if "gram" in s else "features"
    count = len(s[key]) // outputs
    gradients = rf"$g_1,\dots,g_{{{count}}}$" if count > 2 else "$g_1,g_2$" if count == 2 else "$g_1$"
    if outputs > 1:
        source = f"each of the {count} samples owning {outputs} successive rows of"
    else:
        source = f"the sample gradient{'s' if count > 1 else ''} {gradients} having"
    if key == "gram":
        kernel = f"{source} the Gram matrix {_shown('K', s['gram'], file)}"
    else:
        kernel = f"{source} the Gram matrix $K=XX^{{\\mathsf T}}$, where {_shown('X', s['features'], file)}"
    return f"Let $w^*$ be an interpolating minimum, {kernel} and let {_optimiser(group, count)}."


def _optimiser(group: Group, count: int) -> str:
    s = group.subject
    step = rf" with step size $\eta={number(group.step_size)}$" if group.step_size is not None else r" with step size $\eta>0$"
    step += rf", heavy-ball momentum $\beta={number(Fraction(s['momentum']))}$" if "momentum" in s else ""
    step += rf"{' and' if 'momentum' in s else ','} weight decay $\omega={number(Fraction(s['weight_decay']))}$" if "weight_decay" in s else ""
    if s["optimiser"] == "gd":
        return f"gradient descent run{step} on the mean loss"
    batch = s["batch"]
    if s["optimiser"] == "reshuffled":
        return f"SGD run{step} on the {count // batch} batches of a uniformly random ordered partition of the {count} samples in every epoch"
    if "weights" in s:
        weights = [Fraction(w) for w in s["weights"]]
        shown = ", ".join(number(w / sum(weights)) for w in weights)
        law = f"with probabilities ${shown}$" if len(shown) < 120 else "with the probabilities of the claim"
    else:
        law = "uniformly"
    if batch == 1:
        return f"SGD run{step}, drawing one sample in every step, {law} and independently"
    how = "with" if s["replacement"] else "without"
    return f"SGD run{step}, drawing a batch of {batch} samples in every step, {law} and {how} replacement"


def step_formula(subject: dict[str, Any]) -> str:
    """The linearised step on span{g_i}, without momentum."""
    if subject.get("outputs", 1) > 1:
        pull = r"\eta G_iG_i^{\mathsf T}" if subject.get("batch") == 1 else r"\frac{\eta}{B}\sum_i m_i G_iG_i^{\mathsf T}"
    elif subject["optimiser"] == "gd":
        pull = r"\frac{\eta}{N}\sum_i g_ig_i^{\mathsf T}"
    else:
        pull = r"\eta g_ig_i^{\mathsf T}" if subject["batch"] == 1 else r"\frac{\eta}{B}\sum_i m_i g_ig_i^{\mathsf T}"
    return (r"(1-\eta\omega)I" if "weight_decay" in subject else "I") + f"-{pull}"


def _exponents(group: Group) -> str:
    s, quantities = group.subject, [line.quantity for line in group.lines]
    sentences = []
    product = r"\lim_{n\to\infty}\tfrac1n\,\mathbb E\log\|A_{\xi_n}\cdots A_{\xi_1}\|"
    if "matrices" in s:
        where = "of their products"
    else:
        where = rf"of the linearised steps ${step_formula(s)}$ on $\operatorname{{span}}\{{g_i\}}$"
        where = where.replace("g_i\\}", "G_i\\}") if s.get("outputs", 1) > 1 else where
        if s["optimiser"] == "gd" and s.get("outputs", 1) > 1:
            where += ", $B$ being the number of samples and all $m_i=1$"
        elif s["optimiser"] != "gd" and s["batch"] > 1:
            where += f", where $m_i$ counts how often sample $i$ is in the batch, $B={s['batch']}$"
        if s.get("outputs", 1) > 1:
            where += ", the columns of $G_i$ being the gradients of the outputs of sample $i$"
        if "momentum" in s:
            where += r", with the momentum term, on pairs of successive states"
    if "lambda" in quantities or "ms" in quantities:
        published = s.get("batch") == 1 and not {"weights", "momentum", "weight_decay", "outputs"} & set(s) and s["optimiser"] == "sgd"
        source = rf" \cite{{{CHEMNITZ_ENGEL}}}" if published else rf" (for uniform single samples, \cite{{{CHEMNITZ_ENGEL}}})"
        source = "" if "matrices" in s else source
        per = " (per step, not per epoch)" if s.get("optimiser") == "reshuffled" else ""
        sentences.append(rf"Denote by $\lambda={product}$ the top Lyapunov exponent{source}{per} {where}{_and_ms(quantities)}.")
    if "mu" in quantities:
        if "momentum" in s or "weight_decay" in s:
            means = r"the logarithm of the spectral radius of the step of gradient descent with this momentum and decay on $\operatorname{span}\{g_i\}$"
            sentences.append(rf"Denote by $\mu$ {means}.")
        else:
            means = r"\max\{\log|1-\eta\kappa/N| : \kappa\ne0\text{ an eigenvalue of }K\}"
            sentences.append(rf"Denote by $\mu={means}$ the exponent of gradient descent \cite{{{CHEMNITZ_ENGEL}}} with the same step size.")
    return " ".join(sentences)


def _and_ms(quantities: Sequence[str]) -> str:
    return r", and by $\lambda_{\mathrm{ms}}=\tfrac12\log\rho(\mathbb E[A_\xi\otimes A_\xi])$ their mean-square exponent" if "ms" in quantities else ""


def _claims(group: Group) -> str:
    """ "Then lambda < 0 for every eta in ..." """
    found = joined(group.lines)
    box = ""
    if "radius" in group.subject:
        delta = number(Fraction(group.subject["radius"]))
        box = rf" for $K$ and for every positive definite matrix $K'$ with $|K'_{{ij}}-K_{{ij}}|\le {delta}$ for all $i,j$ in its place"
    texts = [claimed(lines) + (rf" {where(ends, at)}" if group.step_size is None and (ends or at) else "") for ends, at, lines in found]
    if len(texts) == 1:
        return f"Then {texts[0]}{box}."
    return "Then" + (box and f",{box},") + " \\begin{itemize}\n" + "".join(f"\\item {text};\n" for text in texts)[:-2] + ".\n\\end{itemize}"


def claimed(lines: Sequence[Line]) -> str:
    """ "$lambda < 0$" or "$a <= lambda <= b$", one formula for each quantity."""
    out = []
    for quantity in dict.fromkeys(line.quantity for line in lines):
        own = [line for line in lines if line.quantity == quantity]
        below = next((x for x in own if x.relation in (">", ">=")), None)
        above = next((x for x in own if x.relation in ("<", "<=")), None)
        if len(own) == 2 and below and above:
            out.append(rf"${number(below.value)}{RELATIONS[_turned(below.relation)]} {SYMBOLS[quantity]}{RELATIONS[above.relation]} {number(above.value)}$")
        else:
            out += [f"${SYMBOLS[quantity]}{RELATIONS[x.relation]} {number(x.value)}$" for x in own]
    return listing(out)


def _turned(relation: str) -> str:
    return {">": "<", ">=": "<="}[relation]


def where(ends: Ends | None, at: Fraction | None) -> str:
    """For which step sizes."""
    if ends is None:
        return rf"at $\eta={number(at or Fraction(0))}$"
    lo, hi = ends
    return rf"for every $\eta\in{interval(lo, hi)}$"


def interval(lo: Fraction, hi: Fraction | None) -> str:
    """(0, hi], [lo, hi] or [lo, infinity)."""
    return ("(0" if lo == 0 else f"[{number(lo)}") + "," + (r"\infty)" if hi is None else f"{number(hi)}]")


def consequence(group: Group, subject: Subject) -> str:
    """What Theorem A or B of [CE25] adds to a sign, where its regularity condition has been verified here; else empty."""
    s, signs = group.subject, {(x.quantity, sign_of(x)) for x in group.lines}
    plain = subject.plain and not subject.ranged and subject.gram is not None and group.step_size is not None
    if not plain or subject.gram is None or s.get("weights") is not None:
        return ""
    from ..certificate.check import row_basis

    if len(row_basis(subject.gram)) < subject.n:
        return ""
    support = r"$w^*$ is {} the support of the limit of {} from a random start with a positive density"
    if s["optimiser"] == "gd":
        sign = next((sign for q, sign in signs if q in ("mu", "lambda") and sign in ("negative", "positive")), None)
        letter, name, checked = "A", "gradient descent", "$K$ is positive definite"
    elif s["batch"] == 1:
        sign = next((sign for q, sign in signs if q == "lambda" and sign in ("negative", "positive")), None)
        eta = group.step_size or Fraction(0)
        if any(eta * subject.gram[i][i] in (1, 2) for i in range(subject.n)) or not _connected(subject.gram):
            return ""
        letter, name = "B", "SGD"
        checked = (
            r"$K$ is positive definite, no $\eta K_{ii}$ is $1$ or $2$, and the graph of the entries $K_{ij}\ne0$ is connected: $w^*$ is regular, as we read "
            r"the condition there"
        )
    else:
        return ""
    if sign is None:
        return ""
    verdict = support.format("in" if sign == "negative" else "not in", name)
    return (
        rf"Here {checked}. By \cite[Theorem~{letter}]{{{CHEMNITZ_ENGEL}}}, if the model is twice continuously differentiable in the parameters, the sample "
        rf"gradients are linearly independent at every global minimum, and the Jacobian determinant of {'the step' if letter == 'A' else 'every step'} is "
        rf"nonzero almost everywhere, {verdict}."
    )


def sign_of(line: Line) -> str | None:
    """The sign that a line proves."""
    from ..certificate import Statement

    return Statement(0, line.quantity, line.relation, line.value).sign


def _connected(gram: list[list[Fraction]]) -> bool:
    seen, front = {0}, [0]
    while front:
        i = front.pop()
        new = [j for j, x in enumerate(gram[i]) if x and j not in seen]
        seen.update(new)
        front += new
    return len(seen) == len(gram)
