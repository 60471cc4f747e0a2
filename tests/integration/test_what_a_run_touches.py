"""What a run's statements touch of the ledger: as many rows late in a feed as early in it (design.md, bounded cost)."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import sqlparse

from feeds.due_feed import RECHECK_SECONDS
from feeds.ledger import Ledger, statement
from local.config import Addresses
from tests.integration.test_what_a_job_reads import seen

Connection = psycopg.Connection[Any]

PAIRS = 10


def grown(connection: Connection, chunks: int) -> int:
    """Give a feed that has landed and applied so many chunks: with each came a batch, ten customers, a detection and a file."""
    feed_id = seen(connection, 10 * chunks)
    each = f"from generate_series(1, {chunks}) n"
    connection.execute("update ledger.feed set followed = true, started_at = now() - interval '1 year'")
    connection.execute(
        "insert into ledger.batch (feed_id, first_chunk, last_chunk, opened_at, applied_at, staged_at, exported_at) "
        f"select {feed_id}, n, n, now(), now(), now(), now() {each}"
    )
    connection.execute(
        "insert into ledger.chunk (feed_id, chunk, byte_start, byte_end, first_line, end_line, landed_rows, rejected_rows, "
        "source_sha256, blob_name, blob_sha256, revision, batch_id) "
        f"select {feed_id}, n, n, n + 1, n, n + 1, 10, 0, '', 'c' || n, '', 'r', b.batch_id {each} "
        "join ledger.batch b on b.last_chunk = n"
    )
    connection.execute(
        f"insert into ledger.detection select {feed_id}, 'PatId2', 'M1', 'C' || n, 'CHILD', n, n, b.batch_id, now() {each} "
        "join ledger.batch b on b.last_chunk = n"
    )
    connection.execute(
        "insert into ledger.detection_file (feed_id, file_number, first_ordinal, last_ordinal, blob_name, uploaded_at) "
        f"select {feed_id}, n, n, n, 'f' || n, now() {each}"
    )
    return feed_id


def rows_read(connection: Connection) -> int:
    """Count the rows of the ledger's tables that PostgreSQL has read in this transaction, inside functions too."""
    row = connection.execute(
        "select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint from pg_stat_xact_user_tables "
        "where schemaname = 'ledger'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def land_and_open(ledger: Ledger, feed_id: int, chunk: int) -> int:
    """Run what lands a chunk and opens its batch; give the batch."""
    ledger.row("select_due_feed", recheck_seconds=RECHECK_SECONDS)
    ledger.row("select_feed", feed="f")
    ledger.rows("select_unapplied_chunks", feed_id=feed_id, last_chunk=chunk)
    ledger.rows("select_chunks", feed_id=feed_id, first_chunk=chunk, last_chunk=chunk)
    ledger.run(
        "insert_chunk",
        feed_id=feed_id, chunk=chunk, byte_start=chunk, byte_end=chunk + 1, first_line=chunk, end_line=chunk + 1, landed_rows=10,
        rejected_rows=0, source_sha256="", blob_name="c", blob_sha256="", rejects_blob=None, rejects_sha256=None,
        reject_reasons="{}", revision="r", run_id=None,
    )  # fmt: skip
    ledger.run("set_checked", feed_id=feed_id, exhausted_size=None)
    ledger.run("delete_stale_staging")
    ledger.row("select_open_batch", feed_id=feed_id)
    (batch,) = ledger.rows(
        "insert_batch", feed_id=feed_id, purpose="apply", rules="{}", first_chunk=chunk, last_chunk=chunk, run_id=None
    )
    return int(batch["batch_id"])


def stage(connection: Connection, batch_id: int, chunk: int, customers: range) -> None:
    key = (batch_id, uuid.uuid4().hex)
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.staged_pair values (%s, %s, 'M1', %s, 1, 99, true, false, %s)",
            [(*key, f"C{n}", chunk) for n in customers],
        )
        cursor.execute("insert into ledger.staged_chunk values (%s, %s, %s, 10)", (*key, chunk))
        cursor.execute("insert into ledger.staged_detection values (%s, %s, %s, 'PatId2', 'CHILD', 'M1', 'new')", (*key, chunk))
        cursor.execute("insert into ledger.staged_batch (batch_id, staging_id, detections) values (%s, %s, 1)", key)


def commit(connection: Connection, batch_id: int) -> None:
    for part in sqlparse.split(statement("commit_batch")):
        if part.strip():
            connection.execute(part, {"batch_id": batch_id})


def of_a_run(connection: Connection, chunks: int) -> int:
    """Count what a run touches that lands and applies a chunk of ten pairs, in a feed that has so many chunks before it."""
    ledger, chunk = Ledger(connection), chunks + 1
    with connection.transaction(force_rollback=True):
        feed_id = grown(connection, chunks)
        # A table of a few pages is read from end to end whatever indexes it has; with them, it need not be. And nothing is
        # analyzed: the plans must hold when PostgreSQL knows nothing of the sizes.
        connection.execute("set local enable_seqscan = off")
        before = rows_read(connection)
        batch_id = land_and_open(ledger, feed_id, chunk)
        stage(connection, batch_id, chunk, range(41, 41 + PAIRS))
        commit(connection, batch_id)
        ledger.row("select_waiting", feed_id=feed_id)
        ledger.rows("select_unconfirmed_files", feed_id=feed_id)
        ledger.run("set_exported", feed_id=feed_id, applied=chunk)
        ledger.run("record_success", feed="f")
        touched = rows_read(connection) - before
        applied = connection.execute("select applied from ledger.feed_position").fetchone()
        assert applied == (chunk,), "or it touches little because it does nothing"
    return touched


def test_a_run_touches_as_many_rows_late_as_early(connection: Connection) -> None:
    early, late = of_a_run(connection, 50), of_a_run(connection, 2_000)
    assert early > PAIRS
    assert late <= 1.1 * early


def test_a_commit_reads_few_rows_a_pair_when_the_state_is_known_to_be_small(connection: Connection, services: Addresses) -> None:
    feed_id = grown(connection, 1)
    with psycopg.connect(services.ledger_owner_dsn, autocommit=True) as owner:
        owner.execute("analyze ledger.pair_total")  # as autovacuum does when a first small feed has been applied
    batch_id = land_and_open(Ledger(connection), feed_id, 2)
    stage(connection, batch_id, 2, range(41, 41 + 100 * PAIRS))
    with connection.transaction():
        before = rows_read(connection)
        commit(connection, batch_id)
        read = rows_read(connection) - before
    # The statement that looks pairs up also inserts them: read from end to end for each, the table becomes a large one meanwhile.
    assert 100 * PAIRS < read < 5 * 100 * PAIRS


def test_a_commit_reads_few_rows_a_detection(connection: Connection, services: Addresses) -> None:
    many = 100 * PAIRS
    feed_id = grown(connection, many)  # as many detections before
    with psycopg.connect(services.ledger_owner_dsn, autocommit=True) as owner:
        owner.execute("analyze ledger.detection")
    batch_id = land_and_open(Ledger(connection), feed_id, many + 1)
    stage(connection, batch_id, many + 1, range(PAIRS))
    connection.execute(
        "insert into ledger.staged_detection select batch_id, staging_id, %s, 'PatId2', 'CHILD', 'M1', 'new' || n "
        "from ledger.staged_batch, generate_series(1, %s) n where batch_id = %s",
        [many + 1, many, batch_id],
    )
    connection.execute("update ledger.staged_batch set detections = detections + %s where batch_id = %s", [many, batch_id])
    with connection.transaction():
        before = rows_read(connection)
        commit(connection, batch_id)
        read = rows_read(connection) - before
    # Each new one compared with each that is there would be a million.
    assert many < read < 50 * many
