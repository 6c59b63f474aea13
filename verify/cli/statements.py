"""The commands `statements`, `check` and `falsify`: the registry at the command line."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exact import InputError
from ..problem_file import load_problem
from .output import destination, print_json, progress

if TYPE_CHECKING:
    from theorems import Checked, Statement

MARKS = {True: "holds", False: "fails", None: "not decided"}


def statements(arguments: Namespace) -> int:
    """List the registry, or show one entry."""
    import theorems

    from ..report.text import Section, print_sections

    if arguments.id is not None:
        statement = theorems.get(arguments.id)
        if arguments.json:
            print_json(statement.to_json())
        else:
            print_sections(_entry(statement), sys.stdout)
        return 0
    found = theorems.statements()
    if arguments.json:
        print_json({"statements": [{"id": s.id, "title": s.title, "evidence": s.evidence} for s in found]})
    else:
        print_sections([Section("Statements", tuple((s.id, f"{s.title} ({s.evidence})") for s in found))], sys.stdout)
    return 0


def check(arguments: Namespace) -> int:
    """A statement on a problem, or its shipped instances."""
    import theorems

    from ..report.text import Section, print_sections

    statement = theorems.get(arguments.id)
    inputs = (arguments.problem,) if arguments.problem is not None else ()
    out = destination(arguments.certificate, "--certificate", inputs) if arguments.certificate is not None else None
    problem = _problem(arguments.problem) if arguments.problem is not None else None
    with progress() as say:
        if say:
            say(f"{statement.id}: hypotheses, then the conclusion")
        found = theorems.check(statement, problem, seconds=arguments.time_limit, seed=arguments.seed)
    path = _written(found.certificate, out, arguments.certificate)
    if arguments.json:
        print_json(found.to_json(path))
    else:
        lines = [("verdict", found.verdict), ("reason", found.reason), *(("note", note) for note in found.notes)]
        if found.error_probability:
            lines.append(("statistics", f"wrong with probability at most {found.error_probability:.1e}"))
        print_sections([Section(f"{statement.id}, {statement.title}", tuple(lines)), *_conditions(found)], sys.stdout)
        _say_certificate(out is not None, path)
    return 0 if found.verdict == "holds" else 1


def falsify(arguments: Namespace) -> int:
    """Search for a counterexample."""
    import theorems

    from ..report.text import Section, print_sections

    statement = theorems.get(arguments.id)
    out = destination(arguments.certificate, "--certificate") if arguments.certificate is not None else None
    with progress() as say:
        found = theorems.falsify(statement, arguments.points, arguments.seconds, arguments.seed, progress=say)
    path = _written(found.certificate, out, arguments.certificate) if isinstance(found, theorems.Counterexample) else None
    if arguments.json:
        print_json(found.to_json(path))
    elif isinstance(found, theorems.Counterexample):
        from theorems.checking import witness

        lines = [(key, _spelled(value)) for key, value in witness(found.problem).items()]
        lines += [("reason", found.checked.reason), ("effort", str(found.effort))]
        print_sections([Section(f"{statement.id}, {statement.title}: a counterexample", tuple(lines)), *_conditions(found.checked)], sys.stdout)
        _say_certificate(out is not None, path)
    else:
        title = f"{statement.id}, {statement.title}: no counterexample was found, which proves nothing"
        print_sections([Section(title, (("reason", found.reason), ("effort", str(found.effort))))], sys.stdout)
    return 0 if found else 1


def _problem(path: str) -> Any:
    """A problem file; a population, which has no exact family, is read by the symbolic layer."""
    try:
        return load_problem(path)
    except InputError:
        from ..symbolic import load_symbolic_problem

        with suppress(InputError):
            problem = load_symbolic_problem(path)
            if problem.population is not None:
                return problem
        raise


def _written(certificate: Any, target: Path | None, shown: str) -> str | None:
    if target is None or certificate is None:
        return None
    from ..certificate import write_certificate

    write_certificate(dict(certificate), target)
    return shown


def _say_certificate(wanted: bool, path: str | None) -> None:
    if wanted:
        print(f"\ncertificate: {path or 'none: no sign was proved by one'}")


def _conditions(found: Checked) -> list[Any]:
    from ..report.text import Section

    sections = []
    if found.hypotheses:
        title = "Hypotheses" if found.problem is not None else "Shipped cases"
        sections.append(Section(title, tuple((h.name, f"{MARKS[h.fact.value]}: {h.fact.reason}") for h in found.hypotheses)))
    if found.conclusion is not None:
        sections.append(Section("Conclusion", ((found.conclusion.name, MARKS[found.conclusion.fact.value]),)))
    return sections


def _entry(statement: Statement) -> list[Any]:
    from ..report.text import Section

    lines = [("statement", statement.plain), ("formula", statement.latex), ("evidence", statement.evidence)]
    lines += [("remark", statement.remark)] if statement.remark else []
    lines += [("reference", r) for r in statement.references] + [(r.kind, r.to) for r in statement.relations]
    sections = [Section(f"{statement.id}, {statement.title}", tuple(lines))]
    if statement.variables:
        sections.append(Section("Variables", tuple((v.name, f"{v.domain}: {v.meaning}") for v in statement.variables)))
    sections.append(Section("Hypotheses", tuple(("", h.name) for h in statement.hypotheses) or (("", "none"),)))
    sections.append(Section("Conclusion", (("", statement.conclusion.name),)))
    if statement.instances:
        rows = tuple((i.label, ", ".join(f"{q} is {s}" for q, s in i.signs)) for i in statement.instances)
        sections.append(Section("Shipped cases, certified", rows))
    return sections


def _spelled(value: Any) -> str:
    return ", ".join(f"{key} = {entry}" for key, entry in value.items()) if isinstance(value, dict) else str(value).replace("'", "")
