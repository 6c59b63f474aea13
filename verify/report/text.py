"""What the command line prints: readable text, and JSON with stable keys (documented in verify/JSON.md).

Text is made of sections of indented lines; a terminal gets the same lines with bold titles, a pipe gets them bare.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TextIO

from ..minimum import Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled
from ..problem import Problem, spelled
from ..result import Enclosure, Estimate, Exact, Exponent, Sign, as_float, decimal, interval, outward_float
from ..threshold.search import Threshold

if TYPE_CHECKING:
    from .analysis import Analysis, Thresholds, Verdict

WIDTH = 110
SHOWN_ROWS = 8
NO_BREAK = "\N{NO-BREAK SPACE}"
_INTERVAL = re.compile(r"\[([^\[\]\s]+), ([^\[\]\s]+)\]")

WORDS = {
    "in the support": "{0} can find w*: every neighbourhood of w* receives the limit of {0} with positive probability over the random start",
    "not in the support": "{0} cannot find w*: some neighbourhood of w* receives the limit of {0} with probability zero over the random start",
    "converges almost surely from every start": "{0} converges to a solution almost surely, from every start",
    "does not converge almost surely from every start": "{0} does not converge to a solution almost surely from every start",
    "converges in law to a unique stationary law": "{0} converges in law to a unique stationary law, from every start, and not to w* (unless w* = 0)",
    "no statement": "says nothing here",
}


@dataclass(frozen=True)
class Section:
    """A title and its lines: (label, text), the text is wrapped under itself."""

    title: str
    lines: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Plain text."""
        margin = max((len(label) for label, _ in self.lines), default=0)
        margin = margin + 4 if margin else 2
        rows = [self.title]
        for label, text in self.lines:
            first = f"  {label}".ljust(margin)
            kept = _INTERVAL.sub(f"[\\1,{NO_BREAK}\\2]", text)
            wrapper = textwrap.TextWrapper(WIDTH, first, " " * margin, break_long_words=False, break_on_hyphens=False)
            rows += wrapper.wrap(kept) or [first.rstrip()]
        return "\n".join(rows).replace(NO_BREAK, " ")


def print_sections(sections: list[Section], stream: TextIO) -> None:
    """Print to a stream: bold titles on a terminal, bare text elsewhere."""
    if not stream.isatty():
        print("\n\n".join(section.text() for section in sections), file=stream)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False)
    for k, section in enumerate(sections):
        title, _, rest = section.text().partition("\n")
        shown = Text("\n" * bool(k)) + Text(title, style="bold") + Text(f"\n{rest}" if rest else "")
        shown.highlight_regex(r"\bnegative\b", "green")
        shown.highlight_regex(r"\bpositive\b(?! probability| definite)", "red")
        shown.highlight_regex(r"\b(undecided|fails|is assumed|says nothing here)\b", "yellow")
        console.print(shown, soft_wrap=True)


def plain_text(analysis: Analysis) -> str:
    """The whole report as plain text."""
    return "\n\n".join(section.text() for section in analysis_sections(analysis))


def analysis_sections(analysis: Analysis) -> list[Section]:
    """The report of `analyse`."""
    found = [Section(headline(analysis.problem), tuple(("", note) for note in analysis.problem.notes)), _minimum_section(analysis)]
    found.append(_exponent_section(analysis))
    if analysis.problem.optimiser is not None:
        found.append(_threshold_section(analysis.problem, analysis.thresholds))
    found += [_verdict_section(verdict) for verdict in analysis.verdicts]
    return found


def exponent_sections(problem: Problem, mu: Exponent | None, lambda_: Exponent) -> list[Section]:
    """The report of `exponent`."""
    lines = _mu_lines(problem, mu)
    found = [Section(headline(problem), tuple(("", note) for note in problem.notes))]
    found.append(Section("Exponents (nats per step)", (*lines, ("lambda", exponent_text(lambda_)), *_meaning(problem.optimiser))))
    if lambda_.tried and lambda_.tried[-1].outcome != "decides":  # the sign, or the width that was asked for, was not reached
        found.append(Section("What was tried for lambda", tuple((attempt.method, attempt.outcome) for attempt in lambda_.tried)))
    return found


def threshold_sections(problem: Problem, found: Threshold) -> list[Section]:
    """The report of `threshold`."""
    lines = [("from", _number(found.lo)), ("to", _number(found.hi)), ("kind", "certified" if found.certified else "estimate"), ("method", found.method)]
    lines += [("remark", found.reason)] if found.reason else []
    which = "first sign change" if found.first else "a sign change (that it is the first is not proved)"
    return [Section(f"{problem.name}: {which} of lambda in the step size", tuple(lines))]


def headline(problem: Problem) -> str:
    """One line that says what the problem is."""
    optimiser, minimum = problem.optimiser, problem.minimum
    if optimiser is None or minimum is None:
        family = problem.family
        return f"{problem.name}: {len(family.matrices)} matrices of size {family.dimension} x {family.dimension}"
    data = f"N = {minimum.size} sample{'s' * (minimum.size > 1)}" + (f" of {minimum.outputs} outputs" if minimum.outputs > 1 else "")
    return f"{problem.name}: {optimiser_words(optimiser)}, {data}"


def optimiser_words(optimiser: Optimiser) -> str:
    """Kind, step size and what is not the default."""
    kind = "gradient descent" if isinstance(optimiser, GradientDescent) else "SGD"
    words = [kind, f"step size {_clip(str(optimiser.step_size))}"]
    words += [f"{name.replace('_', ' ')} {_clip(str(value))}" for name in ("momentum", "weight_decay") if (value := getattr(optimiser, name))]
    if isinstance(optimiser, Reshuffled):
        words += [f"reshuffled epochs of batches of {optimiser.batch}"]
    if isinstance(optimiser, SGD):
        weighted = ", Kaczmarz weights" if optimiser.kaczmarz else ", weighted" if optimiser.weights else ""
        words += [f"batch {optimiser.batch}", f"{'with' if optimiser.replacement else 'without'} replacement{weighted}"]
    return ", ".join(words)


def exponent_text(exponent: Exponent) -> str:
    """An exponent in words: sign, bounds, how it is known."""
    if isinstance(exponent, Estimate):
        reason = f"; not proved: {_clip(exponent.reason, 400)}" if exponent.reason else ""
        return f"{exponent}{reason}"
    lo, hi = exponent.ends
    method = f"(proved: {exponent.method})"
    if isinstance(exponent, Exact) and exponent.expression == "-oo":
        return f"{exponent.sign.value}: exactly -infinity {method}"
    if lo is None and hi is None:
        return f"{exponent.sign.value}: {exponent.reason or 'no bound is proved'}"
    exact = f"exactly {_clip(exponent.expression, 90)}, " if isinstance(exponent, Exact) else ""
    if lo is not None and hi is not None:
        bounds = f"equal to {lo}" if lo == hi else f"in {interval(lo, hi)}"
    else:
        strict = exponent.sign in (Sign.NEGATIVE, Sign.POSITIVE) and not (hi or lo)  # a proved sign at the bound zero is a strict inequality
        if hi is not None:
            bounds = f"{'below' if strict else 'at most'} {decimal(hi, True, 12)}"
        else:
            bounds = f"{'above' if strict else 'at least'} {decimal(lo, False, 12)}"
    reason = f"; {_clip(exponent.reason, 400)}" if exponent.sign is Sign.UNDECIDED and exponent.reason else ""
    return f"{exponent.sign.value}: {exact}{bounds} {method}{reason}"


def verdict_words(verdict: Verdict) -> str:
    """The conclusion as a sentence, with its condition."""
    conclusion = verdict.conclusion
    words = WORDS[conclusion.verdict].format(verdict.optimiser)
    if conclusion.verdict == "no statement":
        return f"{words}: {conclusion.reason}"
    condition = f"if what is assumed below holds, {words}" if conclusion.assumed else words
    return f"{condition} ({conclusion.reason})"


def _minimum_section(analysis: Analysis) -> Section:
    minimum, lines = analysis.problem.minimum, list[tuple[str, str]]()
    if minimum is None:
        return Section("Family", (("dimension", str(analysis.rank)), ("theorems", "T1, T2 and T3 are about optimisers; bare matrices have none")))
    if not isinstance(minimum, Minimum):
        return Section("Minimum", (("K", "measured in floating point: estimates only, no verdicts; rationalise it for proofs"),))
    lines += [("K" if i == 0 else "", text) for i, text in enumerate(_matrix_text(minimum))]
    lines += [("c_i = eta K_ii", _list(analysis.c))] if analysis.c else []
    rows = f"N = {minimum.size}" if minimum.outputs == 1 else f"N q = {len(minimum.gram)}"
    lines.append(("rank", f"{analysis.rank} of {rows}" + ("" if minimum.independent else "; everything is meant on range(K)")))
    lines.append(("components", "; ".join("{" + _clip(", ".join(map(str, c)), 60) + "}" for c in analysis.components[:20])))
    solvable = minimum.solvable
    labels = "no labels are given" if solvable is None else "X w = labels has a solution" if solvable else "X w = labels has no solution"
    lines += [("labels", labels)] if minimum.features is not None else []
    lines += [(name, f"{fact.status}: {fact.reason}") for name, fact in analysis.regularity]
    return Section("Minimum", tuple(lines))


def _mu_lines(problem: Problem, mu: Exponent | None) -> list[tuple[str, str]]:
    """mu, and that sampling weights do not enter it."""
    if mu is None:
        return []
    weighted = isinstance(problem.optimiser, SGD) and problem.optimiser.weights is not None
    return [("mu", exponent_text(mu))] + ([("", "mu is that of gradient descent on the unweighted mean loss")] if weighted else [])


def _meaning(optimiser: Optimiser | None) -> list[tuple[str, str]]:
    """What the exponents are about where it is not plain SGD."""
    if optimiser is None:
        return []
    found = ["exponents are those of the pair (r_n, r_(n-1)), which momentum moves"] if optimiser.momentum else []
    if optimiser.weight_decay:
        found.append("exponents are those of the linear part of the steps on the span of the gradients (off it weight decay acts alone); w* is no fixed point "
                     "of the steps, and lambda < 0 means a unique stationary law, not that w* is reached")  # fmt: skip
    found += ["lambda and ms are per step, not per epoch"] if isinstance(optimiser, Reshuffled) else []
    return [("remark", text) for text in found]


def _exponent_section(analysis: Analysis) -> Section:
    point = analysis.point
    lines = _mu_lines(analysis.problem, point.mu)
    lines.append(("lambda", exponent_text(point.lambda_)))
    if point.number is not None and point.number is not point.lambda_:
        lines.append(("", f"its size: {_size_text(point.number)}"))
    lines += [("mean square", exponent_text(point.mean_square))] if point.mean_square is not None else []
    lines += _meaning(analysis.problem.optimiser)
    return Section("Exponents (nats per step)", tuple(lines))


def _size_text(number: Exponent) -> str:
    if isinstance(number, Estimate):
        return f"about {number.value:.6g} +- {number.half_width:.1g} ({number.trust}, {number.method}; an estimate, not a proof)"
    return exponent_text(number)


def _threshold_section(problem: Problem, found: Thresholds) -> Section:
    lines = []
    if found.bracket is not None:
        lines.append(("2/max K_ii", f"{_number(found.bracket.lower)}; below, lambda < 0 (E5)"))
    if found.mean_square is not None:
        kind = "certified" if found.mean_square.certified else "in floating point"
        lines.append(("mean square", f"{interval(found.mean_square.lo, found.mean_square.hi)} ({kind}); below, E|r|^2 tends to 0 (E11)"))
    if found.sgd is not None:
        kind = "certified" if found.sgd.certified else "estimate"
        which = "the first sign change of lambda" if found.sgd.first else "a sign change of lambda"
        lines.append(("SGD", f"{interval(found.sgd.lo, found.sgd.hi)} ({kind}: {found.sgd.method}); {which}"))
        lines += [("", _clip(found.sgd.reason, 110))] if found.sgd.reason else []
    if found.bracket is not None:
        lines.append(("eta_det", f"{interval(*found.bracket.upper)}; above, lambda > 0 (E4)"))
    if found.gd is not None:
        exact = f" = {_clip(found.gd_expression, 60)}" if found.gd_expression and found.gd[0] != found.gd[1] else ""
        bounds = _number(found.gd[0]) if found.gd[0] == found.gd[1] else interval(*found.gd)
        plain = problem.optimiser is None or problem.optimiser.plain
        lines.append(("GD 2N/kappa_max" if plain else "GD", f"{bounds}{exact}; mu changes sign here"))
    if problem.optimiser is not None:
        lines.append(("this problem", _number(problem.optimiser.step_size)))
    lines += [("remark", note) for note in found.notes]
    return Section("Step sizes at which stability changes", tuple(lines))


def _verdict_section(verdict: Verdict) -> Section:
    conclusion = verdict.conclusion
    lines = [("", verdict_words(verdict))]
    lines += [("", f"{h.name}: {h.status} ({h.reason})") for h in conclusion.hypotheses]
    lines += [("", conclusion.extension)] if conclusion.extension else []
    return Section(f"{conclusion.statement} for {verdict.optimiser}: {verdict.title}", tuple(lines))


def _matrix_text(minimum: Minimum) -> list[str]:
    if len(minimum.gram) > SHOWN_ROWS:
        return [f"{len(minimum.gram)} x {len(minimum.gram)}, not shown"]
    cells = spelled(minimum.gram)
    if max(len(cell) for row in cells for cell in row) > 14:
        cells = [[f"{as_float(x):.6g}" for x in row] for row in minimum.gram]
    wide = max(len(cell) for row in cells for cell in row)
    return ["[" + NO_BREAK.join(cell.rjust(wide, NO_BREAK) for cell in row) + "]" for row in cells]


def _list(values: tuple[Fraction, ...]) -> str:
    return ", ".join(f"{as_float(x):.6g}" for x in values[: 2 * SHOWN_ROWS]) + (", ..." if len(values) > 2 * SHOWN_ROWS else "")


def _number(number: Fraction) -> str:
    exact = str(number)
    if number.denominator == 1 and len(exact) <= 20:
        return exact
    return f"{exact} = {as_float(number):.12g}" if len(exact) <= 40 else f"{as_float(number):.12g} (rounded)"


def _clip(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


# --- JSON ----------------------------------------------------------------------------------------------------------------------------------


def problem_json(problem: Problem) -> dict[str, Any]:
    """Keys: name, samples, outputs, rank, gram, optimiser, notes."""
    minimum, optimiser = problem.minimum, problem.optimiser
    exact = minimum if isinstance(minimum, Minimum) else None
    return {
        "name": problem.name,
        "samples": None if minimum is None else minimum.size,
        "outputs": None if minimum is None else minimum.outputs,
        "rank": exact.rank if exact is not None else None,
        "gram": spelled(exact.gram) if exact is not None else None,
        "optimiser": None if optimiser is None else optimiser_json(optimiser),
        "notes": list(problem.notes),
    }


def optimiser_json(optimiser: Optimiser) -> dict[str, Any]:
    """Keys: kind, step_size, momentum, weight_decay; batch unless `gd`; replacement and weights for `sgd`."""
    about: dict[str, Any] = {"kind": optimiser.kind, "step_size": str(optimiser.step_size)}
    about |= {} if isinstance(optimiser, GradientDescent) else {"batch": optimiser.batch}
    if isinstance(optimiser, SGD):
        about |= {"replacement": optimiser.replacement, "weights": None if optimiser.weights is None else [str(w) for w in optimiser.weights]}
    return about | {"momentum": str(optimiser.momentum), "weight_decay": str(optimiser.weight_decay)}


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """The JSON of `analyse`; see verify/JSON.md."""
    point = analysis.point
    return {
        "problem": problem_json(analysis.problem),
        "c": [str(x) for x in analysis.c],
        "components": [list(c) for c in analysis.components],
        "regularity": {name: {"status": fact.status, "reason": fact.reason} for name, fact in analysis.regularity},
        "mu": None if point.mu is None else point.mu.to_json(),
        "lambda": point.lambda_.to_json(),
        "lambda_number": None if point.number is None else point.number.to_json(),
        "mean_square": None if point.mean_square is None else point.mean_square.to_json(),
        "thresholds": _thresholds_json(analysis.thresholds),
        "verdicts": [_verdict_json(verdict) for verdict in analysis.verdicts],
        "decided": analysis.decided,
    }


def _thresholds_json(found: Thresholds) -> dict[str, Any]:
    gd = found.gd
    decimals = [outward_float(gd[0], False), outward_float(gd[1], True)] if gd else None
    return {
        "gd": {"lo": str(gd[0]), "hi": str(gd[1]), "decimal": decimals, "kind": "certified", "expression": found.gd_expression} if gd else None,
        "mean_square": found.mean_square.to_json() if found.mean_square else None,
        "sgd": found.sgd.to_json() if found.sgd else None,
        "bracket": {"lower": str(found.bracket.lower), "upper": [str(x) for x in found.bracket.upper]} if found.bracket else None,
        "notes": list(found.notes),
    }


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    conclusion = verdict.conclusion
    return {
        "statement": conclusion.statement,
        "optimiser": verdict.optimiser,
        "title": verdict.title,
        "verdict": conclusion.verdict,
        "words": verdict_words(verdict),
        "reason": conclusion.reason,
        "unconditional": conclusion.unconditional,
        "evidence": conclusion.evidence,
        "extension": conclusion.extension,
        "hypotheses": [{"name": h.name, "status": h.status, "reason": h.reason} for h in conclusion.hypotheses],
    }


def exponents_json(mu: Exponent | None, lambda_: Exponent, paths: tuple[str | None, str | None] = (None, None)) -> dict[str, Any]:
    """The JSON of `exponent`: {"mu": X or null, "lambda": X}; `paths` are the certificates of (mu, lambda)."""
    return {"mu": None if mu is None else mu.to_json(paths[0]), "lambda": lambda_.to_json(paths[1])}


def has_certificate(exponent: Exponent | None) -> bool:
    """Whether there is something to write for `--certificate`."""
    return isinstance(exponent, Enclosure) and exponent.certificate is not None
