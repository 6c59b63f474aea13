"""Numbers, vectors, matrices, polynomials and hashes in LaTeX (ASCII; amsmath), and text that may contain anything, escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

SHOWN_ROWS, SHOWN_CHARACTERS = 6, 12  # of a matrix that is written out
LONG = 12  # digits from which on a number may be broken

SYMBOLS = {"lambda": r"\lambda", "mu": r"\mu", "ms": r"\lambda_{\mathrm{ms}}"}
RELATIONS = {"<": "<", "<=": r"\le", "=": "=", ">=": r"\ge", ">": ">"}
_ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''"}
_ESCAPES |= {c: f"\\{c}" for c in "_{}&%$#"}
_OTHERS = {"w*": "w^*", "N x N": r"N\times N", "d x d": r"d\times d"}
_GREEK = "lambda|mu|eta|xi|kappa|rho|omega|beta|alpha"
# Words that are formulas: lambda_1, eta_det, K_ii, c_i, u_i^T, <=, >=.
_FORMULA = re.compile(rf"(?<![\w\\.])(?:(w\*|N x N|d x d)|({_GREEK})(?:_(\w+))?|([A-Za-z])_(\w+)|([NKMdpq])(?!\.\w))(?![\w'*])|(<=|>=)")


def escaped(text: str) -> str:
    """Text in which every character stands for itself."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def words(text: str) -> str:
    """Plain text of the registry: names of quantities become formulas, everything else is escaped."""
    out, end = [], 0
    for found in _FORMULA.finditer(text):
        other, greek, below, letter, under, alone, relation = found.groups()
        symbol = f"\\{greek}" if greek else letter or alone or RELATIONS.get(relation or "") or _OTHERS[other]
        index = below or under
        if index:
            symbol += f"_{{{index}}}" if len(index) < 3 or index.isdigit() else rf"_{{\mathrm{{{index}}}}}"
        out += [escaped(text[end : found.start()]), f"${symbol}$"]
        end = found.end()
    return "".join(out) + escaped(text[end:])


def number(x: Fraction, small: bool = True) -> str:
    """A rational number exactly: integer, short fraction, finite decimal, or a long fraction that may be broken."""
    sign, x = ("-" if x < 0 else ""), abs(x)
    top, bottom = str(x.numerator), str(x.denominator)
    if x.denominator == 1:
        return sign + _grouped(top)
    if len(top) <= 5 and len(bottom) <= 5:
        return f"{sign}\\{'tfrac' if small else 'frac'}{{{top}}}{{{bottom}}}"
    decimals = _decimals(x.denominator)
    if decimals is not None and decimals <= len(top) + len(bottom):
        digits = str(x.numerator * 10**decimals // x.denominator).rjust(decimals + 1, "0")
        return f"{sign}{_grouped(digits[:-decimals])}.{_grouped(digits[-decimals:])}"
    return f"{sign}{_grouped(top)}/{_grouped(bottom)}"


def _decimals(denominator: int) -> int | None:
    """How many decimals 1/denominator has; None where they do not end."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None


def _grouped(digits: str) -> str:
    """Long digits may be broken after every tenth."""
    return digits if len(digits) <= LONG else "\\allowbreak ".join(digits[i : i + 10] for i in range(0, len(digits), 10))


def vector(entries: Iterable[object]) -> str:
    return "(" + ",".join(map(str, entries)) + ")"


def fits(rows: Sequence[Sequence[object]]) -> bool:
    """Whether a matrix is small enough to be written out."""
    return len(rows) <= SHOWN_ROWS and len(rows[0]) <= SHOWN_ROWS and all(len(str(x)) <= SHOWN_CHARACTERS for row in rows for x in row)


def matrix(rows: Sequence[Sequence[Fraction]]) -> str:
    """For displayed formulas."""
    below = r" \\ " if all(x.denominator == 1 for row in rows for x in row) else r" \\[3pt] "
    return r"\begin{pmatrix}" + below.join(" & ".join(map(number, row)) for row in rows) + r"\end{pmatrix}"


def polynomial(coefficients: Sequence[Fraction], small: bool = True) -> str:
    """sum c_j s^(n-j) t^j; "0" if there is none."""
    degree, text = len(coefficients) - 1, ""
    for j, c in enumerate(coefficients):
        if c:
            variables = "".join(name if power == 1 else f"{name}^{{{power}}}" for name, power in (("s", degree - j), ("t", j)) if power)
            size = "" if abs(c) == 1 and variables else number(abs(c), small)
            text += ("-" if c < 0 else "+" if text else "") + size + variables
    return text or "0"


def listing(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def typewriter(text: str) -> str:
    """An identifier that may be broken anywhere after eight characters."""
    return r"\texttt{" + r"\allowbreak ".join(escaped(text[i : i + 8]) for i in range(0, len(text), 8)) + "}"
