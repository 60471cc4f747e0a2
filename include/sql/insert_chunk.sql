-- A chunk has landed. Nothing happens when its row is there: the same bytes were landed before.
insert into ledger.chunk (
    feed_id, chunk, byte_start, byte_end, first_line, end_line, landed_rows, rejected_rows,
    source_sha256, blob_name, blob_sha256, rejects_blob, rejects_sha256, reject_reasons, revision, run_id
) values (
    %(feed_id)s, %(chunk)s, %(byte_start)s, %(byte_end)s, %(first_line)s, %(end_line)s, %(landed_rows)s, %(rejected_rows)s,
    %(source_sha256)s, %(blob_name)s, %(blob_sha256)s, %(rejects_blob)s, %(rejects_sha256)s, %(reject_reasons)s,
    %(revision)s, %(run_id)s
)
on conflict (feed_id, chunk) do nothing;
