-- UI: the last batches that were applied, with the moments between which their time went.
select b.batch_id, b.first_chunk, b.last_chunk, b.run_id, f.landed_at as first_landed_at, l.landed_at as last_landed_at,
       b.opened_at, b.staged_at, b.applied_at, b.exported_at
from (
    select * from ledger.batch
    where feed_id = %(feed_id)s and applied_at is not null and purpose = 'apply'
    order by last_chunk desc
    limit %(batches)s
) b
join ledger.chunk f on f.feed_id = b.feed_id and f.chunk = b.first_chunk
join ledger.chunk l on l.feed_id = b.feed_id and l.chunk = b.last_chunk
order by b.last_chunk;
