"""Compares JSON with a model of Azure's Python libraries, which are generated from the specifications of its interfaces.

Found is a property that the model does not have, a value of another type, and one that is not among those that are known.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from tests.arm import Unknown


def unknown_of_model(given: Any, model: Any, models: Any, where: str) -> Iterator[str]:
    """Name what a model does not know of what is given for it.

    Parameters
    ----------
    given
        The JSON.
    model
        The model: its fields count by their names in JSON, those that only answers have do not.
    models
        The module that the model is from.
    where
        What the names begin with.
    """
    if not isinstance(given, dict):
        yield f"{where}: {given!r} is no {model.__name__}"
        return
    hints = typing.get_type_hints(model, localns={"_models": models})
    known = {
        field._rest_name_input or name: hints[name]
        for cls in model.__mro__
        for name, field in vars(cls).items()
        if hasattr(field, "_rest_name_input") and field._visibility != ["read"]
    }
    for name, value in given.items():
        if name in known:
            yield from _unknown(value, known[name], models, f"{where}.{name}")
        else:
            yield f"{where}: {model.__name__} has no {name}"


def _unknown(given: Any, kind: Any, models: Any, where: str) -> Iterator[str]:
    origin, parts = typing.get_origin(kind), [part for part in typing.get_args(kind) if part is not type(None)]
    if isinstance(given, Unknown) or kind is Any or origin is dict:
        return
    if origin in (typing.Union, typing.Literal):
        yield from _unknown_choice(given, parts, models, where)
    elif origin is list and isinstance(given, list):
        for item in given:
            yield from _unknown(item, parts[0], models, f"{where}[]")
    elif origin is None and issubclass(kind, Mapping):
        yield from unknown_of_model(given, kind, models, where)
    elif origin is list or not _is(given, kind):
        yield f"{where}: {given!r} is no {(origin or kind).__name__}"


def _unknown_choice(given: Any, parts: list[Any], models: Any, where: str) -> Iterator[str]:
    """Of ``str | SomeEnum`` the enumeration counts: the other part lets old clients take new values."""
    enums = [part for part in parts if isinstance(part, type) and issubclass(part, Enum)]
    values = [member.value for enum in enums for member in enum] or [part for part in parts if isinstance(part, str)]
    if values and given not in values:
        yield f"{where}: {given!r} is no {enums[0].__name__ if enums else values}"
    elif not values:
        yield from _unknown(given, parts[0], models, where)


def _is(given: Any, kind: type) -> bool:
    if isinstance(given, bool) or kind is bool:
        return isinstance(given, bool) and kind is bool
    return isinstance(given, (int, float) if kind is float else kind)
