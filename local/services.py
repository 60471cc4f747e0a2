"""What a service of the stack is: how to prepare, run, check and provision it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.config import StackConfig
from local.programs import Program


def _nothing(_config: StackConfig) -> None:
    return None


@dataclass(frozen=True)
class Service:
    """One service of the stack.

    Parameters
    ----------
    name
        Its name on the command line and in the status.
    program_names
        Names of its programs.
    programs
        Gives those programs.
    check
        Raises as long as the service is not healthy.
    prepare
        Runs before the programs start.
    provision
        Runs once the service is healthy. Repeating it changes nothing.
    needs
        Services that have to be healthy and provisioned before ``prepare``.
    seconds
        How long it may take to become healthy.
    """

    name: str
    program_names: tuple[str, ...]
    programs: Callable[[StackConfig], Sequence[Program]]
    check: Callable[[StackConfig], None]
    prepare: Callable[[StackConfig], None] = _nothing
    provision: Callable[[StackConfig], None] = _nothing
    needs: tuple[str, ...] = ()
    seconds: float = 60
