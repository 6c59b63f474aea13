"""The page of `report`: the question, the answers with their hypotheses, figures, certificates to take away, and how to recheck them.

It says what `analyse` says and proves nothing itself: exponents, signs and verdicts are those of the analysis, runs are labelled as statistics.
"""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from markupsafe import Markup

from ...certificate import Certificate
from ...certificate.format import canonical
from ...exact import InputError
from ...minimum import Minimum
from ...problem import Problem, Progress, spelled
from ...result import Enclosure, Estimate, Exact, Exponent, decimal
from ..analysis import Analysis, Verdict, analyse, find_thresholds
from ..curve import Curve, curve
from ..text import SHOWN_ROWS, Section, analysis_sections, exponent_text, verdict_words
from .mathml import mathml, matrix_tex, number_tex
from .pages import page, style
from .svg import drawn, inline

# Less is asked than of `analyse`, so that a page for two samples takes seconds: step sizes of the curve, width of lambda, time for the threshold and for runs.
POINTS = 12
VALUE_WIDTH = Fraction(1, 1000)
THRESHOLD_SECONDS, RUNS_SECONDS = 2.0, 5.0
EMBEDDED = 600_000  # bytes of all certificates that the page carries
RELATIONS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}
CHECK = 'python -I "$(python -c \'import verify.certificate.check as c; print(c.__file__)\')" {}'


@dataclass(frozen=True)
class Report:
    """The page, whether its exponents are decided, and the certificates that stand behind it: (file name, id)."""

    html: str
    decided: bool
    certificates: tuple[tuple[str, str], ...]


def report(problem: Problem, source: str, *, time_limit: float = 20.0, seed: int = 0, progress: Progress | None = None) -> Report:
    """Analyse a problem and write its page; `source` is how the user named it. `time_limit` (seconds) holds for each search."""
    problem = replace(problem, name=_printable(problem.name))
    found = analyse(problem, thresholds=False, value_width=VALUE_WIDTH, time_limit=time_limit, seed=seed, progress=progress)
    found = replace(found, thresholds=find_thresholds(problem, time_limit=min(time_limit, THRESHOLD_SECONDS), seed=seed, progress=progress))
    line = curve(found, progress, POINTS) if problem.optimiser is not None else None
    if progress:
        progress("pictures")
    shown = _certificates(found)
    first, *rest = analysis_sections(found)
    content = {
        "style": style(),
        "name": problem.name,
        "headline": first.title.removeprefix(f"{problem.name}: "),
        "notes": problem.notes,
        "question": _question(problem),
        "answers": _answers(found),
        "minimum": _entries(rest[0], hidden="K" if _matrix(problem) else ""),
        "minimum_title": rest[0].title,
        "exponents": _entries(rest[1]),
        "thresholds": _entries(rest[2]) if problem.optimiser is not None else None,
        "verdicts": [(section.title, verdict) for section, verdict in zip(rest[len(rest) - len(found.verdicts) :], found.verdicts, strict=True)],
        "words": verdict_words,
        "curve": _curve_figure(line) if line is not None else None,
        "pictures": _pictures(found),
        "runs": _runs(problem, found, seed, min(time_limit, RUNS_SECONDS), progress),
        "certificates": shown,
        "source": shlex.quote(_printable(source)),
        "check": CHECK,
        "options": f" --time-limit {time_limit:g}" * (time_limit != 20) + f" --seed {seed}" * (seed != 0),
    }
    return Report(page("report.html", **content), found.decided, tuple((one["file"], one["id"]) for one in shown))


def _printable(text: str) -> str:
    """File names may hold anything, a page and a font may not."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _matrix(problem: Problem) -> Markup | None:
    """K, where it is small and exact."""
    minimum = problem.minimum
    if not isinstance(minimum, Minimum) or len(minimum.gram) > SHOWN_ROWS:
        return None
    rows = spelled(minimum.gram)
    return None if max(len(cell) for row in rows for cell in row) > 24 else mathml(rf"K={matrix_tex(rows)}", True)


def _question(problem: Problem) -> dict[str, Any]:
    optimiser = problem.optimiser
    step = "" if optimiser is None or len(str(optimiser.step_size)) > 24 else rf"\eta={number_tex(str(optimiser.step_size))}"
    return {"matrix": _matrix(problem) if problem.matrices is None else _matrices(problem), "step": mathml(step) if step else None, "optimiser": optimiser}


def _matrices(problem: Problem) -> Markup | None:
    """A small family of bare matrices with its probabilities."""
    family = problem.family
    rows = [spelled(a) for a in family.matrices]
    if len(rows) > 4 or family.dimension > 4 or max(len(cell) for a in rows for row in a for cell in row) > 12:
        return None
    pairs = enumerate(zip(rows, family.probabilities, strict=True), 1)
    return Markup("").join(mathml(rf"A_{k}={matrix_tex(a)},\qquad p_{k}={number_tex(str(p))}", True) for k, (a, p) in pairs)


def _answers(found: Analysis) -> list[dict[str, Any]]:
    """One answer for each optimiser: the exponent with its sign, and what the theorems say about it."""
    number = found.point.number  # narrower, where a proof of the sign says little about the size
    lambda_ = number if isinstance(number, Enclosure) and number.sign is found.lambda_.sign else found.lambda_
    pairs: list[tuple[str, str, Exponent | None, tuple[Verdict, ...]]] = [
        (name, quantity, exponent, tuple(v for v in found.verdicts if v.optimiser == name))
        for name, quantity, exponent in (("GD", "mu", found.mu), ("SGD", "lambda", lambda_))
    ]
    if found.problem.optimiser is None:
        pairs = [("The product of the matrices", "lambda", lambda_, ())]
    elif not any(v.optimiser == "SGD" for v in found.verdicts) and found.verdicts:
        pairs = pairs[:1]
    return [
        {
            "name": name,
            "quantity": quantity,
            "sign": exponent.sign.value,
            "formula": _formula(quantity, exponent),
            "text": _bounds(exponent),
            "verdicts": [v for v in verdicts if v.conclusion.verdict != "no statement"],
        }
        for name, quantity, exponent, verdicts in pairs
        if exponent is not None
    ]


def _bounds(exponent: Exponent) -> str:
    """What is known, without the sign and the exact value, which stand above it."""
    expression = exponent.expression if isinstance(exponent, Exact) else ""
    return exponent_text(exponent).removeprefix(f"{exponent.sign.value}: ").removeprefix(f"exactly {expression}, ")


def _formula(quantity: str, exponent: Exponent) -> Markup | None:
    """The exact value, where there is a short one."""
    if not isinstance(exponent, Exact) or len(exponent.expression) > 90:
        return None
    import sympy

    return mathml(rf"\{quantity}={sympy.latex(sympy.sympify(exponent.expression))}", True)


def _entries(section: Section, hidden: str = "") -> list[tuple[str, list[str]]]:
    """Lines of a section, those without a label under the one before; without what is shown elsewhere."""
    found: list[tuple[str, list[str]]] = []
    for label, text in section.lines:
        if label or not found:
            found.append((label, [text]))
        else:
            found[-1][1].append(text)
    return [entry for entry in found if not hidden or entry[0] != hidden]


def _curve_figure(found: Curve) -> dict[str, Any]:
    from ..plot import figure

    title = f"Exponents against the step size: {len(found.lambdas)} values of lambda, and {len(found.lines)} thresholds. The table below has the numbers."
    return {"svg": inline(drawn(figure, found), "curve", title), "marks": found.lambdas, "kinds": {"enclosure": "enclosure", "sign": "sign", "none": "nothing"}}


def _pictures(found: Analysis) -> list[dict[str, Any]]:
    """The pictures of lambda's certificate, where it has cones in the plane: of every set of cones, and of the residuals."""
    from .cone_plot import plane, residuals
    from .cones import Drawing, drawings

    certificate = getattr(found.lambda_, "certificate", None)
    bounds = drawings(certificate) if certificate is not None else []
    groups: list[list[Drawing]] = []
    for one in bounds:
        same = next((group for group in groups if group[0].same_cones(one)), None)
        groups.append([one]) if same is None else same.append(one)
    shown = []
    for k, group in enumerate(groups):
        one = group[0]
        claim = " and ".join(f"λ {RELATIONS[d.relation]} {decimal(d.value, d.upper, 7) if d.value else 0}" for d in group)
        cones = f"{len(one.cones)} cone{'s' * (len(one.cones) > 1)} in {len(one.arcs)} piece{'s' * (len(one.arcs) > 1)}"
        form = "linear on each cone" if one.degree == 1 else f"the root of a form of degree {one.degree} on each cone"
        plane_title = f"Cones, the curve h = constant and images of the cones, for the proof of {claim}"
        pictures = (inline(drawn(plane, one), f"plane{k}", plane_title), inline(drawn(residuals, group), f"residual{k}", f"The residual of {claim}"))
        shown.append({"claim": claim, "cones": cones, "form": form, "plane": pictures[0], "residual": pictures[1], "gradients": bool(one.samples)})
    return shown


def _runs(problem: Problem, found: Analysis, seed: int, seconds: float, progress: Progress | None) -> dict[str, Any]:
    """Real runs and their figure, or why there are none."""
    from ...simulate import simulate
    from ..simulation_plot import figure

    exponent = found.point.number if isinstance(found.point.number, Enclosure) else found.lambda_
    try:
        seen = simulate(problem, seed=seed, time_limit=seconds, progress=progress)
        svg = drawn(figure, seen, exponent)
    except (InputError, OverflowError) as reason:
        return {"svg": None, "reason": str(reason)}
    title = f"Simulated runs: log of the size of the residual against the step, {seen.course.steps} steps, seed {seed}"
    return {"svg": inline(svg, "runs", title), "text": str(seen), "model": seen.model}


def _certificates(found: Analysis) -> list[dict[str, Any]]:
    """Every certificate behind the page once, the small ones as a link that carries the file."""
    named: list[tuple[str, str, Any]] = [("lambda", "lambda", found.lambda_), ("mu", "mu", found.mu), ("mean square", "ms", found.mean_square)]
    named += [("lambda, narrower", "lambda-narrower", found.point.number), ("step sizes around the threshold", "threshold", found.thresholds.sgd)]
    shown: list[dict[str, Any]] = []
    room = EMBEDDED
    for what, stem, result in named:
        certificate: Certificate | None = None if isinstance(result, Estimate) else getattr(result, "certificate", None)
        if certificate is None or any(one["id"] == certificate["id"] for one in shown):
            continue
        text = canonical(certificate) + "\n"
        link = f"data:application/json;base64,{base64.b64encode(text.encode()).decode()}" if len(text) <= room else None
        room -= len(text) if link else 0
        shown.append({"what": what, "file": f"{stem}.json", "id": certificate["id"], "size": len(text), "link": link, "claims": _claims(certificate)})
    return shown


def _claims(certificate: Certificate) -> list[str]:
    """What a certificate proves, in words, the claims about one step size together; long numbers rounded outwards."""
    claims = certificate["claim"].get("all", [certificate["claim"]])
    about: dict[str, list[str]] = {}
    for one in claims:
        subject = claims[one["subject"]]["subject"] if isinstance(one["subject"], int) else one["subject"]
        value, relation = Fraction(one["value"]), one["relation"]
        number = str(value) if len(str(value)) <= 12 else decimal(value, relation in ("<", "<="), 10)
        step = subject.get("step_size", "")
        about.setdefault(f" at eta = {step}" if isinstance(step, str) and 0 < len(step) <= 40 else "", []).append(f"{one['quantity']} {relation} {number}")
    return [" and ".join(dict.fromkeys(found)) + step for step, found in about.items()]
