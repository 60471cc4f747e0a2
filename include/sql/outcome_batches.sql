-- The batches of a feed, applied or not.
select batch_id, first_chunk, last_chunk, generation, applied_at
from ledger.batch
where feed_id = %(feed_id)s
order by first_chunk, batch_id;
