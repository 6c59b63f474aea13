"""All statements by id. A file of statements is one name in `_FILES`; a single statement is one object in its file's `STATEMENTS`."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module

from verify.exact import InputError

from .statement import Statement

_FILES = ("linear_stability", "definitions", "elementary", "moments", "sandwich", "folklore")


@cache
def _all() -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for file in _FILES:
        for statement in import_module(f".{file}", __package__).STATEMENTS:
            if statement.id in found:
                raise ValueError(f"the id {statement.id!r} is used twice; ids are permanent and unique")
            found[statement.id] = statement
    return found


def ids() -> tuple[str, ...]:
    """All ids, in order."""
    return tuple(_all())


def statements() -> tuple[Statement, ...]:
    """All statements, in order."""
    return tuple(_all().values())


class UnknownId(InputError, KeyError):
    """No statement has this id; the message suggests near ones."""

    def __str__(self) -> str:
        return str(self.args[0])


def get(id: str) -> Statement:
    """The statement with this id, such as "T2". Raises `UnknownId` (an `InputError` and a `KeyError`) with the nearest ids."""
    known = _all()
    if id in known:
        return known[id]
    folded = {key.casefold(): key for key in known}
    near = [folded[x] for x in difflib.get_close_matches(str(id).casefold(), folded, 3, 0.4)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise UnknownId(f"no statement has the id {id!r}; {hint}")


def resolve(statement: str | Statement) -> Statement:
    """A statement itself, or the one with this id."""
    if isinstance(statement, Statement):
        return statement
    if not isinstance(statement, str):
        raise InputError(f"statement = {statement!r} is neither an id such as \"T2\" nor a Statement")
    return get(statement)
