-- UI: a range of chunks, and what became of each.
select c.chunk, c.landed_rows, c.rejected_rows, c.byte_end - c.byte_start as bytes, c.landed_at, c.blob_name, c.rejects_blob,
       c.run_id as landed_by, c.batch_id, b.run_id as applied_by, b.applied_at
from ledger.chunk c
left join ledger.batch b on b.batch_id = c.batch_id
where c.feed_id = %(feed_id)s and c.chunk between %(first_chunk)s and %(last_chunk)s
order by c.chunk;
