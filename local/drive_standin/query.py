"""The parameters of Drive requests: search conditions (``q``), field masks (``fields``), order and page."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from local.drive_standin.problems import DriveProblem
from local.drive_standin.tree import Node

_TEXT = r"'((?:[^'\\]|\\.)*)'"
_CONDITION = re.compile(
    rf"\s*(?:(?P<term>name|mimeType)\s*(?P<operator>!?=)\s*{_TEXT}"
    rf"|{_TEXT}\s+in\s+parents"
    r"|trashed\s*(?P<trashed_operator>!?=)\s*(?P<trashed>true|false))\s*"
)
_AND = re.compile(r"and\b")
_TOKENS = re.compile(r"[A-Za-z0-9]+|\*|[(),/]")

Mask = dict[str, "Mask"]
"""Names of the fields that are asked for, with the mask of what is in them; ``{}``: everything."""


def parse_query(q: str) -> tuple[Callable[[Node], bool], list[str]]:
    """Read search conditions joined by ``and``.

    Returns
    -------
    tuple
        The test that a listed node passes, and the ids of the folders that are named.

    Raises
    ------
    DriveProblem
        400: not one of the conditions that are known here.
    """
    tests: list[Callable[[Node], bool]] = []
    folders: list[str] = []
    position = 0
    while position < len(q) or tests:
        match = _CONDITION.match(q, position)
        if match is None:
            raise DriveProblem(400, "invalid", "Invalid Value", location="q")
        tests.append(_test(match))
        if match[4] is not None:
            folders.append(_unescape(match[4]))
        position = match.end()
        if position == len(q):
            break
        joint = _AND.match(q, position)
        if joint is None:
            raise DriveProblem(400, "invalid", "Invalid Value", location="q")
        position = joint.end()
    return lambda node: all(test(node) for test in tests), folders


def _test(match: re.Match[str]) -> Callable[[Node], bool]:
    if match["term"] is not None:
        wanted, equal = _unescape(match[3]), match["operator"] == "="
        if match["term"] == "name":
            return lambda node: (node.name == wanted) == equal
        return lambda node: (node.mime_type == wanted) == equal
    if match[4] is not None:
        folder = _unescape(match[4])
        return lambda node: folder in node.parents
    trashed = (match["trashed"] == "true") == (match["trashed_operator"] == "=")
    return lambda _: not trashed  # nothing here is ever in the bin


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def parse_fields(fields: str) -> Mask:
    r"""Read a field mask such as ``files(id, name),nextPageToken``, ``files/id`` or ``*``.

    Raises
    ------
    DriveProblem
        400: not a field mask.
    """
    tokens = _TOKENS.findall(fields)
    if "".join(tokens) != re.sub(r"\s", "", fields):
        raise _bad_field(fields)
    mask = _read_mask(tokens, fields)
    if tokens:
        raise _bad_field(fields)
    return mask


def _read_mask(tokens: list[str], fields: str) -> Mask:
    mask: Mask = {}
    while True:
        if not tokens or not (tokens[0] == "*" or tokens[0].isalnum()):
            raise _bad_field(fields)
        name = tokens.pop(0)
        inner: Mask = {}
        if tokens and tokens[0] == "(":
            tokens.pop(0)
            inner = _read_mask(tokens, fields)
            if not tokens or tokens.pop(0) != ")":
                raise _bad_field(fields)
        elif tokens and tokens[0] == "/":
            tokens.pop(0)
            if not tokens or not tokens[0].isalnum():
                raise _bad_field(fields)
            inner = {tokens.pop(0): {}}
        mask.setdefault(name, {}).update(inner)
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def select(mask: Mask, resource: Mapping[str, Callable[[], Any]], known: set[str]) -> dict[str, Any]:
    """Compute the fields of a resource that a mask asks for.

    Parameters
    ----------
    mask
        What is asked for.
    resource
        The fields that this resource has.
    known
        The fields that such resources may have: one of these that is missing here is left out, as Google does.

    Raises
    ------
    DriveProblem
        400: a field that no such resource has.
    """
    if not mask or "*" in mask:
        return {name: value() for name, value in resource.items()}
    for name in mask:
        if name not in known:
            raise _bad_field(name)
    return {name: value() for name, value in resource.items() if name in mask}


def _bad_field(name: str) -> DriveProblem:
    return DriveProblem(400, "invalidParameter", f"Invalid field selection {name}", location="fields")


_ORDERS: dict[str, Callable[[Node], Any]] = {
    "name": lambda node: node.name,
    "modifiedTime": lambda node: node.path.stat().st_mtime_ns,
}


def order(nodes: list[Node], order_by: str) -> list[Node]:
    """Sort nodes by ``name`` or ``modifiedTime``, ``desc`` or not; by path when no order is asked for.

    Raises
    ------
    DriveProblem
        400: another order.
    """
    for part in reversed(order_by.split(",") if order_by else []):
        key, *descending = part.split() or [""]
        if key not in _ORDERS or descending not in ([], ["desc"]):
            raise DriveProblem(400, "invalid", "Invalid Value", location="orderBy")
        nodes = sorted(nodes, key=_ORDERS[key], reverse=bool(descending))
    return nodes


def page_token(offset: int) -> str:
    """Give the token of the page that starts at an offset."""
    return base64.urlsafe_b64encode(f"offset {offset}".encode()).decode()


def page_offset(token: str) -> int:
    """Read a page token back; no token is the first page.

    Raises
    ------
    DriveProblem
        400: not a token from here.
    """
    if not token:
        return 0
    try:
        word, number = base64.urlsafe_b64decode(token.encode()).decode().split()
        if word == "offset":
            return int(number)
    except ValueError:
        pass
    raise DriveProblem(400, "invalid", "Invalid Value", location="pageToken")
