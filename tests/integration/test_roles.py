"""The roles of the ledger: what each may do, and what it is refused. That the writer's grants suffice, all other tests show."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from feeds.errors import SchemaError
from feeds.ledger import SQL_FOLDER, Ledger
from feeds.schema import apply_schema, ensure_schema
from local.config import CHECKOUT, LEDGER_ROLES, Addresses, StackConfig, load_config
from local.postgres import _bin, connect, provision_roles
from local.stack import Stack
from tests.conftest import apply_again, drop_ledger

Connection = psycopg.Connection[Any]

FUNCTIONS = ("check_batch(1)", "rank_feed(1)", "rebuild_detections(1)")


@pytest.fixture
def config(stack: Stack, connection: Connection) -> StackConfig:
    """The stack's, with a ledger that has the schema."""
    return load_config(stack.directory)


@pytest.fixture
def owner(services: Addresses, connection: Connection) -> Iterator[Connection]:
    with psycopg.connect(services.ledger_owner_dsn, autocommit=True) as owner:
        yield owner


@pytest.fixture
def reader(services: Addresses, connection: Connection) -> Iterator[Connection]:
    with psycopg.connect(services.ledger_reader_dsn, autocommit=True) as reader:
        yield reader


def relations(connection: Connection, kinds: str = "rv") -> list[str]:
    query = (
        "select oid::regclass::text from pg_class where relnamespace = 'ledger'::regnamespace and relkind = any(%s) order by 1"
    )
    return [name for (name,) in connection.execute(query, [list(kinds)])]


@pytest.mark.parametrize(
    "statement",
    [
        "create table ledger.mine (n integer)",
        "create table public.mine (n integer)",
        "create temporary table mine (n integer)",
        "create schema mine",
        "create or replace view ledger.committable as select 1",
        "create or replace function ledger.rank_feed(asked bigint) returns void language sql as ''",
        "create index on ledger.chunk (landed_at)",
        "create role mine",
        "alter table ledger.chunk add column mine integer",
        "alter table ledger.chunk disable trigger all",
        "alter table ledger.chunk owner to ledger_writer",
        "alter role ledger_reader password 'mine'",
        "truncate ledger.staged_chunk",
        "drop table ledger.staged_chunk",
        "drop view ledger.committable",
        "drop function ledger.rank_feed",
        "drop schema ledger cascade",
        "drop database ledger",
        "insert into ledger.applied_schema (sha256) values ('mine')",
        "update ledger.applied_schema set sha256 = 'mine'",
        "delete from ledger.applied_schema",
        "grant insert on ledger.chunk to ledger_reader",
        "set role ledger_owner",
        "copy ledger.chunk to program 'true'",
    ],
)
def test_the_writer_is_refused(connection: Connection, statement: str) -> None:
    before = relations(connection)
    if statement.startswith("grant"):  # PostgreSQL grants nothing, and warns: that it had no right to
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        connection.execute(statement)
        assert notices == ['no privileges were granted for "chunk"']
    else:
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement)
    assert relations(connection) == before


def test_every_table_and_view_has_exactly_its_grants(connection: Connection) -> None:
    """Those of the owner are its own; a table that is added has them because grants.sql is applied with the schema."""
    query = (
        "select oid::regclass::text, grantee::regrole::text, string_agg(privilege_type, ' ' order by privilege_type) "
        "from pg_class, aclexplode(relacl) where relnamespace = 'ledger'::regnamespace and grantee <> relowner group by 1, 2"
    )
    found = {(name, role): granted for name, role, granted in connection.execute(query)}
    all_of_it = relations(connection)
    writer = {(name, "ledger_writer"): "DELETE INSERT SELECT UPDATE" for name in all_of_it}
    reader = {(name, "ledger_reader"): "SELECT" for name in all_of_it}
    assert len(all_of_it) > 20
    assert found == writer | reader | {("ledger.applied_schema", "ledger_writer"): "SELECT"}


def test_the_reader_can_read_everything(reader: Connection) -> None:
    for name in relations(reader):
        reader.execute(f"select * from {name} limit 1")
    ledger = Ledger(reader)
    assert ledger.row("select_progress", feed="none") is None
    assert ledger.rows("select_files", feed_id=0) == []
    assert ledger.rows("select_due_feed", recheck_seconds=600) == []


def test_the_reader_can_change_nothing(connection: Connection, reader: Connection) -> None:
    for name in relations(connection, "r"):
        for statement in (f"insert into {name} default values", f"delete from {name}", f"truncate {name}", f"drop table {name}"):
            with pytest.raises(InsufficientPrivilege):
                reader.execute(statement)
    for statement in ("update ledger.feed set followed = true", "select 1 from ledger.feed for update", "create table m (n int)"):
        with pytest.raises(InsufficientPrivilege):
            reader.execute(statement)
    for function in FUNCTIONS:
        with pytest.raises(InsufficientPrivilege):
            reader.execute(f"select ledger.{function}")


def test_every_function_is_among_those_tried(connection: Connection) -> None:
    query = "select proname from pg_proc where pronamespace = 'ledger'::regnamespace and not prosecdef order by 1"
    assert [name for (name,) in connection.execute(query)] == [function.partition("(")[0] for function in FUNCTIONS]


def test_a_table_that_is_added_has_no_grants_until_the_schema_is_applied(
    services: Addresses, connection: Connection, owner: Connection
) -> None:
    owner.execute("create table ledger.added (n integer)")
    with pytest.raises(InsufficientPrivilege):
        connection.execute("select from ledger.added")
    apply_again(services)
    connection.execute("insert into ledger.added values (1)")


@pytest.mark.parametrize("role", LEDGER_ROLES)
def test_no_role_of_the_ledger_reaches_airflow(config: StackConfig, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match='permission denied for database "airflow"'):
        psycopg.connect(
            host="127.0.0.1", port=config.ports["postgres"], user=role, password=config.passwords[role], dbname="airflow"
        )


def test_airflow_does_not_reach_the_ledger(config: StackConfig) -> None:
    password = config.passwords["airflow_db"]
    with pytest.raises(psycopg.OperationalError, match='permission denied for database "ledger"'):
        psycopg.connect(host="127.0.0.1", port=config.ports["postgres"], user="airflow", password=password, dbname="ledger")


def test_the_first_task_of_a_run_applies_the_schema_as_the_owner(services: Addresses, connection: Connection) -> None:
    drop_ledger(services)
    ensure_schema(Ledger(connection))
    ensure_schema(Ledger(connection))
    assert connection.execute("select count(*) from ledger.applied_schema").fetchone() == (1,)
    assert connection.execute("select tableowner from pg_tables where tablename = 'feed'").fetchone() == ("ledger_owner",)


def test_without_the_owners_connection_a_person_is_told_what_to_do(
    services: Addresses, connection: Connection, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LEDGER_OWNER")
    ensure_schema(Ledger(connection))  # it is applied
    drop_ledger(services)
    with pytest.raises(SchemaError, match="Airflow has no connection ledger_owner") as error:
        ensure_schema(Ledger(connection))

    files = re.findall(r"-f (\S+)", str(error.value))
    insert = re.search(r'-c "(.+)"$', str(error.value))
    assert insert is not None
    with owner.transaction():  # as psql -1
        for file in files:
            owner.execute((SQL_FOLDER / file).read_text())
        owner.execute(insert.group(1))
    ensure_schema(Ledger(connection))


def test_an_owner_who_cannot_log_in_is_named(
    services: Addresses, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_ledger(services)
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OWNER", services.ledger_owner_dsn.replace("ledger_owner:", "ledger_owner:not-"))
    with pytest.raises(psycopg.OperationalError, match=r"connection ledger_owner.*password authentication failed"):
        ensure_schema(Ledger(connection))


def test_a_ledger_that_is_older_than_the_roles_is_carried_over(config: StackConfig) -> None:
    """One role owned the database and everything in it, and did everything."""
    port, password = config.ports["postgres"], config.passwords["ledger_writer"]

    def as_role(role: str, password: str) -> Connection:
        address = f"postgresql://{role}:{password}@127.0.0.1:{port}/older"
        return psycopg.connect(address, autocommit=True)

    with closing(connect(config)) as server:
        server.execute("create role ledger login password 'old'")
        server.execute("create database older owner ledger")
        try:
            with closing(as_role("ledger", "old")) as old:
                for name in ("schema", "staging", "views", "functions"):
                    old.execute((SQL_FOLDER / f"{name}.sql").read_text())
                old.execute("insert into ledger.applied_schema (sha256) values ('of an older version')")
            for _ in range(2):  # and once more, as at every start
                with closing(connect(config, "older")) as administrator:
                    provision_roles(administrator)
            with closing(as_role("ledger_owner", config.passwords["ledger_owner"])) as owner:
                apply_schema(Ledger(owner))
            with closing(as_role("ledger_writer", password)) as writer:
                writer.execute("delete from ledger.chunk")
                with pytest.raises(InsufficientPrivilege):
                    writer.execute("drop table ledger.chunk")
            with pytest.raises(psycopg.OperationalError, match="authentication failed"):
                as_role("ledger", "old")
        finally:
            server.execute("drop database older with (force)")
            server.execute("drop role ledger")


def test_an_administrator_need_not_be_a_superuser(config: StackConfig) -> None:
    """As on Azure, by the commands of docs/deploy-azure.md; with roles of other names, since those of the stack are there."""
    page = (CHECKOUT / "docs" / "deploy-azure.md").read_text()
    section = page.partition("## 4. The ledger")[2].partition("## 5.")[0]
    commands = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    setting, psql = commands.partition("\nexport PGHOST=")[0], commands.partition("PGSSLMODE=require\n")[2]
    assert setting.startswith("export LEDGER_HOST=$(az deployment group show ")
    names = {"ledger_owner": "azure_owner", "ledger_writer": "azure_writer", "ledger_reader": "azure_reader"}
    roles = (SQL_FOLDER / "roles.sql").read_text()
    for name, other in names.items():
        roles, psql = roles.replace(name, other), psql.replace(name, other)
    psql = psql.replace("database ledger", "database azure").replace("--dbname ledger", "--dbname azure")
    psql = psql.replace("--file include/sql/roles.sql", "--file azure-roles.sql")
    environment = {
        "PATH": f"{_bin()}:/usr/bin:/bin",
        "PGHOST": "127.0.0.1", "PGPORT": str(config.ports["postgres"]), "PGUSER": "azure_administrator", "PGPASSWORD": "secret",
        "LEDGER_OWNER_PASSWORD": "of-owner", "LEDGER_WRITER_PASSWORD": "of-writer", "LEDGER_READER_PASSWORD": "of-reader",
    }  # fmt: skip
    with closing(connect(config)) as server, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "azure-roles.sql").write_text(roles)
        server.execute("create role azure_administrator login createdb createrole password 'secret'")
        try:
            done = subprocess.run(["bash", "-ec", psql], cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout.split("\n")) == (
                0,
                ["CREATE DATABASE", "DO", "ALTER ROLE", "ALTER ROLE", "ALTER ROLE", ""],
            ), done.stderr
            where: dict[str, Any] = {"host": "127.0.0.1", "port": config.ports["postgres"], "dbname": "azure"}
            with psycopg.connect(**where, user="azure_owner", password="of-owner", autocommit=True) as owner:
                owner.execute("create schema ledger")
            with (
                psycopg.connect(**where, user="azure_writer", password="of-writer") as writer,
                pytest.raises(InsufficientPrivilege),
            ):
                writer.execute("create schema mine")
        finally:
            server.execute("drop database if exists azure with (force)")
            for role in (*names.values(), "azure_administrator"):
                server.execute(f"drop role if exists {role}")
