"""Row 8, and row 7 on the long feed: a feed 100 times as long, and one more chunk at its end; both by (a) and (b) too."""

from __future__ import annotations

import time
from typing import Any

from benchmarks import lower_limit, usual_way
from benchmarks.airflow_runs import moment
from benchmarks.bench import Bench, airflow_kept_off, new_feed, say
from benchmarks.feeds import CHUNK_ROWS, Files, scaled_files
from benchmarks.job import applied, landed, opened_batch
from benchmarks.processes import Cpu, Peaks, cpu_of, memory_watched, services_cpu
from benchmarks.results import Result
from benchmarks.row_growth import compared, grown
from benchmarks.statements import rows
from local.airflow_api import AirflowApi

_EARLY = 60
_POLL_SECONDS = 1.0
_SAY_SECONDS = 30.0


def measure(bench: Bench) -> list[Result]:
    """Backfill once in Airflow up to the chunk that is then compared with chunk 60."""
    files = scaled_files(bench.options.scale)
    late = 59 * bench.options.scale  # 5,900 of 5,947
    feed = new_feed(files)
    size = bench.options.batch_chunks
    say(f"row 8: {late - 1:,} chunks ({files.label}) in batches of {size}")
    before = services_cpu(bench.stack)
    with memory_watched(bench.stack) as peaks:
        seconds = _backfill(bench, feed, {
            "feed": feed, "folder_id": bench.put_on_drive(files, feed), "interval_seconds": 0,
            "last_chunk": late - 1, "batch_chunks": size,
        }, late - 1)  # fmt: skip
    after = services_cpu(bench.stack)
    count = (late - 1) * CHUNK_ROWS
    say(f"  {count:,} rows in {seconds:.0f} s: {count / seconds:,.0f} rows/s")
    found = _results(bench, feed, count / seconds, peaks, files.label) + _cpu(before, after, count, files.label)
    with airflow_kept_off(bench):
        say(f"row 7 on the long feed: chunk {late:,} against {_EARLY}")
        early = landed(bench, files, _EARLY)
        applied(bench, early, _EARLY - 1)
        _land_next(bench, feed, late)
        batches = {_EARLY: opened_batch(bench, early, _EARLY), late: opened_batch(bench, feed, late)}
        return found + compared(bench, batches, "growth, long feed", files) + _others(bench, files, _EARLY, late)


def _others(bench: Bench, files: Files, early: int, late: int) -> list[Result]:
    """Measure (a) and (b) once at both chunks, and (a) at some between: for the whole feed they would take hours and days."""
    say(f"rows 7 and 8 by (a) and (b), at chunks {early:,} and {late:,}")
    step = max(1, late // 6)
    limit = lower_limit.detect(files.transactions, files.importance, at={1, early, *range(step, late - step + 1, step), late})
    say(f"  (a): {limit.chunk_seconds[early]:.2f} s and {limit.chunk_seconds[late]:.2f} s")
    with usual_way.prepared(bench, files) as way:
        curve = way.at((early, late))
    say(f"  (b): {curve.seconds[0]:.0f} s and {curve.seconds[-1]:.0f} s")
    ways = (
        ("a", "lower limit", limit.chunk_seconds, limit.seconds),
        ("b", "usual way", dict(zip(curve.chunks, curve.seconds, strict=True)), curve.total(late)),
    )
    found = []
    for row, name, by_chunk, total in ways:
        details = {"chunks": list(by_chunk), "seconds": list(by_chunk.values())}
        found.append(Result(row, f"{name}, long feed", "rows/s", [late * CHUNK_ROWS / total], files.label, details))
        both = {chunk: [by_chunk[chunk]] for chunk in (early, late)}
        found += grown(row, f"{name}, growth, long feed", files.label, both, {})
    return found


def _backfill(bench: Bench, feed: str, conf: dict[str, Any], last: int) -> float:
    """Trigger the range and wait until it is applied and exported; give the seconds since Airflow took the trigger."""
    with bench.stack.airflow_client() as client:
        api = AirflowApi(client)
        run_id = api.trigger(conf)
        api.unpause()
        told, tail = time.monotonic(), None
        while True:
            progress = bench.ledger.row("select_progress", feed=feed)
            if progress is not None and progress["applied"] >= last:
                tail = tail or time.monotonic()
                if not progress["unconfirmed"] and time.monotonic() - tail > 10 * _POLL_SECONDS:
                    break
            if (failed := run_id if api.state(run_id) == "failed" else None) is not None:
                raise RuntimeError(f"the backfill failed: {api.reason(failed)}")
            if progress is not None and time.monotonic() - told > _SAY_SECONDS:
                say(f"  landed {progress['landed']:,}, applied {progress['applied']:,}")
                told = time.monotonic()
            time.sleep(_POLL_SECONDS)
        run = client.get(f"/dags/transaction_patterns/dagRuns/{run_id}").raise_for_status().json()
    ended = max(t for t in (progress["last_file_at"], _applied_at(bench, progress["feed_id"])) if t is not None)
    return float((ended - moment(run["queued_at"])).total_seconds())


def _applied_at(bench: Bench, feed_id: int) -> Any:
    return max(batch["applied_at"] for batch in rows(bench.connection, "select_batch_times", feed_id=feed_id))


def _land_next(bench: Bench, feed: str, last: int) -> None:
    from feeds.blobs import Blobs
    from feeds.drive import DriveHook
    from feeds.landing import land
    from feeds.request import FeedRequest

    land(bench.ledger, DriveHook(), Blobs(), FeedRequest(feed, {}, last_chunk=last))


def _results(bench: Bench, feed: str, rate: float, peaks: Peaks, label: str) -> list[Result]:
    feed_id = (bench.ledger.row("select_feed", feed=feed) or {})["feed_id"]
    batches = rows(bench.connection, "select_batch_times", feed_id=feed_id)
    megabyte = 2**20
    return [
        Result(
            "8", "throughput", "rows/s", [rate], label, {"batches": [[b["last_chunk"], round(b["seconds"], 2)] for b in batches]}
        ),
        Result("8", "peak memory of the driver", "MB", [peaks.driver / megabyte], label),
        Result("8", "peak memory of a task", "MB", [peaks.tasks / megabyte], label),
    ]


def _cpu(before: Cpu, after: Cpu, count: int, label: str) -> list[Result]:
    """Give what a million rows take of each service, and the sum: with the number of cores, it bounds the throughput."""
    used = cpu_of(before, after, sorted(after))
    million = count / 1_000_000
    each = [Result("8", f"CPU for a million rows: {name}", "s", [seconds / million], label) for name, seconds in used.items()]
    return [Result("8", "CPU for a million rows", "s", [sum(used.values()) / million], label), *each]
