"""Evaluates a template of Azure Resource Manager, as far as ours go and without Azure: what would be deployed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\d+)|(\w+)|([()\[\].,]))")
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"
GROUP = "tp"


class Unknown:
    """What only a deployment knows, such as an address; any of its members is as unknown."""

    def __getitem__(self, _name: object) -> Unknown:
        return self

    def __str__(self) -> str:
        return "unknown"


class Template:
    """A template with values for its parameters.

    Parameters
    ----------
    template
        The template.
    given
        Values by parameter; the others take their defaults.

    Raises
    ------
    KeyError
        A parameter has no value, or there is none of that name.
    """

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._template = template
        self._copies: dict[str, int] = {}
        self._parameters: dict[str, Any] = {}
        if unknown := set(given) - set(template["parameters"]):
            raise KeyError(f"no such parameter: {unknown}")
        for name, parameter in template["parameters"].items():
            value = given[name] if name in given else self.value(parameter["defaultValue"])
            if value not in parameter.get("allowedValues", [value]):
                raise ValueError(f"{name} may not be {value}")
            self._parameters[name] = value

    def resources(self) -> Iterator[dict[str, Any]]:
        """Give the resources, those that are copied once for each copy."""
        for resource in self._template["resources"]:
            copy = resource.get("copy")
            for index in range(int(self.value(copy["count"])) if copy else 1):
                self._copies = {"": index, copy["name"]: index} if copy else {}
                yield self.value({name: value for name, value in resource.items() if name != "copy"})
        self._copies = {}

    def outputs(self) -> dict[str, Any]:
        """Give the outputs."""
        return {name: self.value(output["value"]) for name, output in self._template["outputs"].items()}

    def value(self, given: Any) -> Any:
        """Evaluate whatever may stand in a template."""
        if isinstance(given, str):
            return self._expression(given[1:-1]) if given.startswith("[") and not given.startswith("[[") else given
        if isinstance(given, list):
            return [self.value(item) for item in given]
        if isinstance(given, dict):
            plain = {name: self.value(item) for name, item in given.items() if name != "copy"}
            return plain | {copy["name"]: list(self._copied(copy)) for copy in given.get("copy", [])}
        return given

    def _copied(self, copy: Mapping[str, Any]) -> Iterator[Any]:
        for index in range(int(self.value(copy["count"]))):
            self._copies[copy["name"]] = index
            yield self.value(copy["input"])

    def _expression(self, text: str) -> Any:
        tokens = list(_TOKEN.finditer(text))
        if "".join(token.group(0) for token in tokens) != text:
            raise ValueError(f"not an expression: {text}")
        value, rest = self._term(tokens)
        if rest:
            raise ValueError(f"more than an expression: {text}")
        return value

    def _term(self, tokens: list[re.Match[str]]) -> tuple[Any, list[re.Match[str]]]:
        (string, number, name, _sign), tokens = tokens[0].groups(), tokens[1:]
        value: Any
        if string is not None:
            value = string.replace("''", "'")
        elif number is not None:
            value = int(number)
        else:
            arguments, tokens = self._arguments(tokens[1:])
            value = self._call(name, arguments)
        while tokens and tokens[0].group(4) in (".", "["):
            if tokens[0].group(4) == ".":
                value, tokens = value[tokens[1].group(3)], tokens[2:]
            else:
                index, tokens = self._term(tokens[1:])
                value, tokens = value[index], tokens[1:]
        return value, tokens

    def _arguments(self, tokens: list[re.Match[str]]) -> tuple[list[Any], list[re.Match[str]]]:
        arguments = []
        while tokens[0].group(4) != ")":
            argument, tokens = self._term(tokens)
            arguments.append(argument)
            if tokens[0].group(4) == ",":
                tokens = tokens[1:]
        return arguments, tokens[1:]

    def _call(self, name: str, arguments: list[Any]) -> Any:
        functions: dict[str, Callable[..., Any]] = {
            "parameters": self._parameters.__getitem__,
            "variables": lambda name: self.value(self._template["variables"][name]),
            "copyIndex": lambda name="": self._copies[name],
            "resourceGroup": lambda: {"id": f"{SUBSCRIPTION}/resourceGroups/{GROUP}", "name": GROUP, "location": "westeurope"},
            "subscription": lambda: {"tenantId": "00000000-0000-0000-0000-000000000002"},
            "resourceId": lambda kind, *names: f"{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{named(kind, names)}",
            "subscriptionResourceId": lambda kind, *names: f"{SUBSCRIPTION}/providers/{named(kind, names)}",
            "reference": lambda *_of: Unknown(),
            "uniqueString": lambda *of: digest(of)[:13],
            "guid": lambda *of: digest(of)[:32],
            "concat": lambda *of: list(chain(*of)) if isinstance(of[0], list) else "".join(map(str, of)),
            "createArray": lambda *of: list(of),
            "length": len,
            "take": lambda text, count: text[:count],
            "greater": lambda one, other: one > other,
            "if": lambda condition, yes, no: yes if condition else no,
            "union": lambda one, other: one | other,
        }
        return functions[name](*arguments)


def named(kind: str, names: tuple[str, ...]) -> str:
    """Give the end of a resource's id: its type, with a name after each part of it."""
    provider, *parts = kind.split("/")
    if len(parts) != len(names):
        raise ValueError(f"{kind} takes {len(parts)} names, not {names}")
    return "/".join([provider, *(text for pair in zip(parts, names, strict=True) for text in pair)])


def digest(of: tuple[Any, ...]) -> str:
    """Stand in for Azure's hashes: the same for the same, letters and digits."""
    return hashlib.sha256("\0".join(map(str, of)).encode()).hexdigest()
