"""Crashes at a chosen effect: what a task, or the job, does to the world is counted, and stops before the n-th of it.

An effect is whatever outlives a process: a statement that changes the ledger, the end of a transaction, a blob written, a run
submitted; and each look at Drive, because what is there may change between two of them. Stopping before the n-th effect is the
same as stopping right behind the one before it: so the pair of names, ``<effect done> | <effect not done>``, names the window,
and n = 1, 2, 3, ... visits them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook

from feeds.blobs import Blobs
from feeds.drive import DriveHook, DriveRevision
from feeds.ledger import Ledger, Row, statement

CHANGES = re.compile(r"(\s|--[^\n]*\n)*((insert|update|delete|alter|create)\b|with\b[\s\S]*\b(delete from|update ledger)\b)")


class Crash(BaseException):
    """The process is gone at this point. No ``Exception``: what handles errors must not see it, as it would not see SIGKILL."""


def crash(window: str) -> None:
    """End the process."""
    raise Crash(window)


class Effects:
    """The effects of a run, in order, and what happens before some of them.

    Parameters
    ----------
    at
        Numbers of the effects, from 1, before which something happens; those that the run does not reach do nothing.
    before, time
        Beginning of the names of effects, before the ``time``-th of which something happens.
    what
        What happens; it is told the window. By default the process crashes.

    Attributes
    ----------
    names
        The effects so far, and the one that comes.
    windows
        Where something has happened: ``<effect done> | <effect not done>``.
    within
        Whether a transaction is open.
    """

    def __init__(self, at: Collection[int] = (), before: str = "", time: int = 1, what: Callable[[str], None] = crash) -> None:
        self.names: list[str] = []
        self.windows: list[str] = []
        self.within = False
        self.what = what
        self._at, self._before, self._left = at, before, time

    def come(self, name: str) -> None:
        """Count an effect that comes next."""
        done = self.names[-1] if self.names else "start"
        self.names.append(name)
        if self._before and name.startswith(self._before):
            self._left -= 1
        if len(self.names) in self._at or (self._before and name.startswith(self._before) and self._left == 0):
            self.windows.append(f"{done} | {name}")
            self.what(self.windows[-1])


class CrashingLedger(Ledger):
    """The ledger on a connection that is closed, without a word to the server, by a crash within a transaction."""

    def __init__(self, connection: psycopg.Connection[Any], effects: Effects) -> None:
        super().__init__(connection)
        self._effects = effects

    def rows(self, name: str, **values: Any) -> list[Row]:
        self._count(name)
        return super().rows(name, **values)

    def run(self, name: str, **values: Any) -> int:
        self._count(name)
        return super().run(name, **values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            self._effects.within = True
            try:
                yield
                self._effects.come("end of the transaction")
            except Crash:
                self._connection.close()
                raise
            finally:
                self._effects.within = False

    def _count(self, name: str) -> None:
        if CHANGES.match(statement(name)):
            self._effects.come(name)


class CrashingBlobs(Blobs):
    """Blob Storage; a blob's name stands without its feed in the name of the effect."""

    def __init__(self, effects: Effects, blobs: Blobs) -> None:
        self._hook, self.container = blobs._hook, blobs.container  # its client is slow to make
        self._effects = effects

    def write(self, name: str, data: bytes) -> None:
        folder, _, file = name.split("/")
        self._effects.come(f"write {folder}/{file}")
        super().write(name, data)


class CrashingDrive(DriveHook):
    """Drive, whose answers may belong to different revisions."""

    def __init__(self, effects: Effects, drive: DriveHook) -> None:
        self._drive = drive  # its client is slow to make
        self._effects = effects

    def find_file(self, name: str, folder_id: str) -> str:
        self._effects.come(f"find {name}")
        return self._drive.find_file(name, folder_id)

    def get_revision(self, file_id: str) -> DriveRevision:
        self._effects.come("read the revision")
        return self._drive.get_revision(file_id)

    def read_range(self, revision: DriveRevision, start: int, end: int) -> bytes:
        self._effects.come(f"read a range of {revision.name}")
        return self._drive.read_range(revision, start, end)


class CrashingHook(PostgresHook):
    """The hook behind the commit's operator: it crashes before a statement, and before the end of the transaction."""

    def __init__(self, effects: Effects) -> None:
        super().__init__(postgres_conn_id="ledger")
        self.log_sql = False
        self._effects = effects

    @staticmethod
    @cache
    def split_sql_string(sql: str, strip_semicolon: bool = False) -> list[str]:
        return list(PostgresHook.split_sql_string(sql, strip_semicolon))  # takes longer than what it splits

    def _run_command(self, cur: Any, sql_statement: str, parameters: Any) -> None:
        verb, *words = re.sub(r"--[^\n]*\n", "", sql_statement).split()
        named = next((word for word in words if "." in word), " ".join(words))  # a setting names no table
        self._effects.come(f"commit: {verb} {named.partition('(')[0]}")
        self._effects.within = True
        super()._run_command(cur, sql_statement, parameters)

    def get_autocommit(self, conn: Any) -> bool:
        self._effects.come("commit: end of the transaction")
        self._effects.within = False
        return bool(super().get_autocommit(conn))
