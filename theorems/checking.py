"""`check`: a statement put to work on a case. Hypotheses first; then the conclusion, by evidence of its own. No evidence is never success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from verify.exact import InputError
from verify.minimum import Minimum
from verify.optimiser import Reshuffled
from verify.predicate import conjunction
from verify.problem import Problem

from .case import Case, Simulator
from .registry import resolve
from .shipped import proved, shipped_certificate
from .statement import Condition, Fact, Instance, Statement

Outcome = Literal["holds", "hypothesis fails", "refuted", "undecided"]


@dataclass(frozen=True)
class Tested:
    """A condition on a case: its name and what was found."""

    name: str
    fact: Fact

    def to_json(self) -> dict[str, Any]:
        """Stable keys: name, value, reason."""
        return {"name": self.name, "value": self.fact.value, "reason": self.fact.reason}


@dataclass(frozen=True)
class Checked:
    """What `check` found. `certificate` proves the signs that were used; `error_probability` is 0 where no statistical test was."""

    statement: Statement
    problem: Problem | None
    verdict: Outcome
    reason: str
    hypotheses: tuple[Tested, ...]
    conclusion: Tested | None = None
    notes: tuple[str, ...] = ()
    certificate: Mapping[str, Any] | None = field(default=None, repr=False)
    error_probability: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether hypotheses and conclusion were decided: it holds, or is refuted."""
        return self.verdict in ("holds", "refuted")

    @property
    def witness(self) -> dict[str, Any]:
        """The problem as in a problem file, or the shipped instances."""
        return witness(self.problem) if self.problem is not None else {"instances": [i.to_json() for i in self.statement.instances]}

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        return {
            "statement": self.statement.id,
            "problem": self.problem.name if self.problem is not None else None,
            "verdict": self.verdict,
            "reason": self.reason,
            "hypotheses": [h.to_json() for h in self.hypotheses],
            "conclusion": self.conclusion.to_json() if self.conclusion is not None else None,
            "error_probability": self.error_probability,
            "witness": self.witness if self.verdict == "refuted" else None,
            "notes": list(self.notes),
            "certificate": certificate_path,
        }

    def __str__(self) -> str:
        lines = [f"{self.statement.id}, {self.statement.title}: {self.verdict}", f"  {self.reason}"]
        marks = {True: "holds", False: "fails", None: "not decided"}
        lines += [f"  hypothesis {h.name}: {marks[h.fact.value]}, {h.fact.reason}" for h in self.hypotheses]
        lines += [f"  conclusion {self.conclusion.name}: {marks[self.conclusion.fact.value]}"] if self.conclusion is not None else []
        return "\n".join(lines + [f"  {note}" for note in self.notes])


def witness(problem: Problem) -> dict[str, Any]:
    """The problem, exact, as in a problem file."""
    subject = dict(problem.subject)
    if "matrices" in subject:
        return subject
    source = {key: subject.pop(key) for key in ("gram", "features") if key in subject}
    minimum, _ = problem.exact
    labels = {"labels": [str(z) for z in minimum.labels]} if minimum.labels is not None else {}
    return source | labels | {"optimiser": {"kind": subject.pop("optimiser"), **subject}}


def tested(condition: Condition, case: Case) -> Tested:
    """The condition on the case; what the case cannot answer is not known."""
    try:
        fact = condition(case)
    except InputError as error:
        fact = Fact(None, str(error))
    if not isinstance(fact, Fact):
        raise InputError(f"the condition {condition.name!r} answers {fact!r}; a condition answers a Fact(value, reason)")
    return Tested(condition.name, fact)


def check(
    statement: str | Statement,
    subject: Case | Problem | None = None,
    *,
    seconds: float = 5.0,
    seed: int = 0,
    error_probability: float = 1e-6,
    simulator: Simulator | None = None,
) -> Checked:
    """Whether the statement holds on this case: "holds", "hypothesis fails", "refuted" or "undecided", with reasons and certificates.

    Without a case the shipped instances are examined: the trusted checker reads the certificate of their signs. `seconds` limits each search for a proof.
    Raises `InputError` for an unknown id, and where there is neither a case nor a shipped instance.
    """
    chosen = resolve(statement)
    if subject is None:
        return _shipped(chosen, seconds, seed)
    if isinstance(subject, Case):
        case = subject
    elif not hasattr(subject, "optimiser"):  # a `Problem`, or a `SymbolicProblem` for E9
        raise InputError(f"case = {subject!r} is not a problem; build one with verify.Problem.from_gram(gram, optimiser)")
    else:
        _limits(seconds, error_probability)
        case = Case(subject, seconds, seed, error_probability, simulator)
    if beyond := _beyond(case.problem):
        reason = f"statements are examined for plain SGD and gradient descent with one output, not for {beyond}"
        return Checked(chosen, case.problem, "hypothesis fails", reason, ())
    hypotheses = tuple(tested(h, case) for h in chosen.hypotheses)
    notes = _notes(chosen, case)

    def found(verdict: Outcome, reason: str, conclusion: Tested | None = None) -> Checked:
        facts = [h.fact for h in hypotheses] + ([conclusion.fact] if conclusion else [])
        proof = conjunction(c for f in facts for c in f.certificates) if verdict != "undecided" else None
        error = min(1.0, sum(f.error_probability for f in facts))
        return Checked(chosen, case.problem, verdict, reason, hypotheses, conclusion, notes, proof, error)

    for value, verdict in ((False, "hypothesis fails"), (None, "undecided")):
        which = [h for h in hypotheses if h.fact.value is value]
        if which:
            words = "fails" if value is False else "is not decided"
            return found(verdict, "; ".join(f"{h.name} {words}: {h.fact.reason}" for h in which))  # type: ignore[arg-type]
    conclusion = tested(chosen.conclusion, case)
    outcomes: dict[bool | None, Outcome] = {True: "holds", False: "refuted", None: "undecided"}
    return found(outcomes[conclusion.fact.value], conclusion.fact.reason, conclusion)


def _beyond(problem: Any) -> str:
    """What an optimiser or a minimum has that the statements of the registry do not speak of, or nothing."""
    if not isinstance(problem, Problem) or problem.minimum is None or problem.optimiser is None:
        return ""
    optimiser = problem.optimiser
    found = [name for name in ("momentum", "weight_decay") if getattr(optimiser, name)] + (["reshuffled epochs"] if isinstance(optimiser, Reshuffled) else [])
    return ", ".join(found + (["several outputs"] if problem.minimum.outputs > 1 else [])).replace("_", " ")


def _limits(seconds: float, error_probability: float) -> None:
    if not seconds > 0:
        raise InputError(f"seconds = {seconds} is not positive; give the limit of a search in seconds")
    if not 0 < error_probability < 1:
        raise InputError(f"error_probability = {error_probability} is not between 0 and 1; write for example 1e-6")


def _notes(statement: Statement, case: Case) -> tuple[str, ...]:
    """How the case is read, and whether the statement is used beyond what is published."""
    minimum = getattr(case.problem, "minimum", None)
    if not isinstance(minimum, Minimum):
        return ()
    notes = [statement.conclude(case.hypotheses).extension] if statement.rule is not None else []
    if minimum.features is None:
        notes.append("read as the linear model with this Gram matrix; for another model with the same K, H1 and H3 away from w* remain to be checked")
    return tuple(note for note in notes if note)


def certify(instance: Instance, seconds: float = 20.0, seed: int = 0) -> Fact:
    """Whether the signs of a shipped instance are found again, with their certificates."""
    case = Case(instance.problem, seconds, seed)
    facts = [case.is_sign(quantity, sign) for quantity, sign in instance.signs]
    values = [f.value for f in facts]
    value = False if False in values else None if None in values else True
    return Fact(value, f"{instance.label}: " + ", ".join(f.reason for f in facts), tuple(c for f in facts for c in f.certificates))


def _shipped(statement: Statement, seconds: float, seed: int) -> Checked:
    """By the shipped certificate, which the trusted checker reads; else by finding every sign again."""
    if not statement.instances:
        raise InputError(f"{statement.id} ships no instance; give a problem to check it on, such as example:iris-pair")
    certificate = shipped_certificate(statement)
    facts = [proved(certificate, i) for i in statement.instances] if certificate is not None else []
    if not facts or not all(f.value for f in facts):
        return certify_again(statement, max(seconds, 20.0), seed)
    return _certified(statement, facts)


def certify_again(statement: Statement, seconds: float = 20.0, seed: int = 0) -> Checked:
    """The signs of all shipped instances, proved by the engine without a look at the shipped certificate."""
    return _certified(statement, [certify(i, seconds, seed) for i in statement.instances])


def _certified(statement: Statement, facts: list[Fact]) -> Checked:
    tests = tuple(Tested(i.label, f) for i, f in zip(statement.instances, facts, strict=True))
    others = [f for f in facts if not f.value]
    if others:
        # A sign that is not the shipped one is a fault of the registry, and neither a proof nor a refutation of the statement.
        return Checked(statement, None, "undecided", f"a shipped sign was not found again: {others[0].reason}", tests)
    verdict: Outcome = "refuted" if statement.evidence == "refuted" else "holds"
    reason = f"the signs of {len(facts)} shipped case{'s' * (len(facts) > 1)} are certified"
    return Checked(statement, None, verdict, reason, tests, None, (), conjunction(c for f in facts for c in f.certificates))
