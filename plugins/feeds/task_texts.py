"""What Airflow's UI shows of each task: its display name, and what it does, what is normal, and what its failure means.

The task ids stay what they are: documents, tests and the REST API go by them.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

TaskTexts = dict[str, dict[str, Any]]
"""By task id: arguments of its operator."""


def _texts(**tasks: tuple[str, str]) -> TaskTexts:
    return {task_id: {"task_display_name": name, "doc_md": cleandoc(text)} for task_id, (name, text) in tasks.items()}


PIPELINE: TaskTexts = _texts(
    land_chunks=(
        "Land chunks from Drive",
        """
        Takes the feed in *feed*, or the one that has been due longest, and lands the chunks that have come due, or the range that
        the run asks for: each is a byte range of one revision of the file on Drive, written to Blob Storage and then recorded in
        the ledger. Rows that cannot be read go to `rejects/`. Starts the feed when its name is new, and applies the schema of the
        ledger when its version is new. A run whose wishes contradict each other fails here, before anything has landed.

        Then it opens the batch of what has landed and is not applied, or finds the one that an earlier run has left open. When
        the feed's last run has failed, it writes the detection files that are due before that: they must not wait for what may
        fail again.

        **Normal:** some twenty chunks a second; slower when the file has a new revision, whose landed part is compared first.
        Skipped, and all behind it, when another run has just done what was due: the run's note says so.
        """,
    ),
    chunks_landed=(
        "Chunks have landed",
        """
        Waits in the triggerer until the blob of the batch's last chunk is there.

        **Normal:** it is there at the first look. Skipped when there is nothing to apply, and so are the tasks up to the
        export; the log of `land_chunks` says why.
        """,
    ),
    detect_patterns=(
        "Detect patterns",
        """
        Runs the Spark job over the batch's chunks; it stages totals and detections in the ledger and changes no state. Killed or
        tried again, it finds its run by the idempotency token.

        **Normal:** some seconds on a warm cluster. *See Databricks Job Run* leads to the job's output.
        """,
    ),
    commit_batch=(
        "Commit the batch",
        """
        Merges what the job has staged into the state, adds the new detections and marks the chunks as applied, in one transaction
        of the ledger. A batch that is committed already is left as it is.

        **When it fails,** nothing was committed.
        """,
    ),
    export_detections=(
        "Export detection files",
        """
        Writes each detection file that is due to Blob Storage: full ones, and a rest when the feed is exhausted, when the run
        says *flush*, or when its oldest detection has waited for *linger_seconds*. After a rebuild its log says what has changed.
        Starts the next run when more work is due by now.

        **Normal:** no file in most runs: detections wait until they fill one.
        """,
    ),
)

AUDIT: TaskTexts = _texts(
    open_batch=(
        "Open the audit",
        """
        Keeps the state as it is now, up to the last applied chunk, to compare it with what the job will find. The feed waits
        for that, and goes on.
        """,
    ),
    check_source=(
        "Check the source",
        """
        Reads the landed part of the file on Drive once, and compares every chunk's bytes with the ledger.
        """,
    ),
    check_blobs=(
        "Check the blobs",
        """
        Compares the SHA-256 of every chunk, every file of rejected rows, CustomerImportance and every detection file with the
        ledger.
        """,
    ),
    detect_patterns=(
        "Detect patterns",
        """
        Runs the job of the same name over all landed chunks, from nothing. It changes no state.

        **Normal:** as long as a backfill of the whole feed. *See Databricks Job Run* leads to the job's output.
        """,
    ),
    compare_state=(
        "Compare the state",
        """
        Compares totals and detections with what the job has recomputed, and notes for each detection whether its rule still
        holds.

        **When it fails,** its error names the first differences; nothing was changed but what is noted of each detection.
        """,
    ),
)
