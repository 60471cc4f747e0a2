"""Fixtures of tests that let runs of the DAG crash, or something else happen to them: services that a whole module shares."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from local.config import Addresses
from tests.conftest import FeedFiles, files_on_drive
from tests.integration.dag_run import Workspace, World, empty_world
from tests.integration.small_feed import IMPORTANCE, TRANSACTIONS, State, undisturbed

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def world(services: Addresses) -> Iterator[World]:
    """PostgreSQL, Azurite and Drive, empty when the module begins."""
    with empty_world(services) as world:
        yield world


@pytest.fixture(scope="module")
def files(services: Addresses) -> Iterator[FeedFiles]:
    """The small feed's files. All feeds of a module are made of them, to be compared with each other."""
    with files_on_drive(services, "small-feed", TRANSACTIONS, IMPORTANCE) as files:
        yield files


@pytest.fixture(scope="module")
def calm(world: World, files: FeedFiles) -> State:
    """What a feed of these files comes to when nothing happens to it."""
    return undisturbed(world, files, "calm")


@pytest.fixture
def feed(world: World) -> str:
    """A name that no feed has yet, and a Databricks that has not run a job."""
    world.workspace = Workspace()
    return f"feed-{next(NUMBERS)}"
