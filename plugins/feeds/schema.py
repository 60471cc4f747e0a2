"""The ledger's schema: its owner applies it, on a connection of its own. The pipeline's own role can create and drop nothing.

Crash window: none. The files and the row that says they are applied are one transaction.
"""

from __future__ import annotations

import hashlib

import psycopg

from feeds.errors import SchemaError
from feeds.ledger import Ledger, open_ledger, statement

OWNER_CONN_ID = "ledger_owner"
FILES = ("schema", "staging", "views", "functions", "grants")
"""What makes up the schema, in the order in which it is applied."""


def ensure_schema(ledger: Ledger) -> None:
    """See to it that the ledger has the schema of this version; the connection ``ledger_owner`` is opened only when it has not.

    Raises
    ------
    SchemaError
        Airflow has no such connection. The message says how to apply the schema without it.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    if _is_applied(ledger):
        return
    try:
        with open_ledger(OWNER_CONN_ID) as owner:
            apply_schema(owner)
    except AirflowNotFoundException as error:
        raise SchemaError(
            f"the ledger has not the schema of this version, and Airflow has no connection {OWNER_CONN_ID} to apply it with. "
            f"Add the connection, or run in include/sql, as role ledger_owner: {_by_hand()}"
        ) from error
    except psycopg.OperationalError as error:
        raise psycopg.OperationalError(f"as its owner (connection {OWNER_CONN_ID}): {error}") from error


def apply_schema(owner: Ledger) -> None:
    """Apply schema, views, functions and grants unless exactly this text of them has been applied.

    They create what is missing. A table that exists is not altered: a column added there needs an ``alter table`` beside it.

    Parameters
    ----------
    owner
        The ledger, opened as the role that owns it.
    """
    if _is_applied(owner):
        return
    with owner.transaction():
        owner.run("lock_schema")
        if not _is_applied(owner):
            owner.run("schema")
            owner.run("staging")
            owner.run("views")
            owner.run("functions")
            owner.run("grants")
            owner.run("insert_schema", sha256=_sha256())


def _is_applied(ledger: Ledger) -> bool:
    there = ledger.row("has_schema")
    applied = ledger.row("select_schema") if there and there["there"] else None
    return applied is not None and applied["sha256"] == _sha256()


def _sha256() -> str:
    return hashlib.sha256("".join(statement(name) for name in FILES).encode()).hexdigest()


def _by_hand() -> str:
    """Give the command that does what :func:`apply_schema` does."""
    files = " ".join(f"-f {name}.sql" for name in FILES)
    insert = statement("insert_schema").splitlines()[-1].replace("%(sha256)s", f"'{_sha256()}'")
    return f'psql -1 {files} -c "{insert}"'
