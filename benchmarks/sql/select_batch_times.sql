-- When each batch of a feed was applied, and how long that took from its opening.
select last_chunk, applied_at, extract(epoch from applied_at - opened_at)::float8 as seconds
from ledger.batch
where feed_id = %(feed_id)s and applied_at is not null
order by last_chunk;
