-- UI: a page of chunks, the newest first; keyset paging by chunk.
select c.chunk, c.landed_rows, c.rejected_rows, c.landed_at, b.applied_at
from ledger.chunk c
left join ledger.batch b using (batch_id)
where c.feed_id = %(feed_id)s and c.chunk < %(before)s
order by c.chunk desc
limit 100;
