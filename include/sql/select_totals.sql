-- Rows of a feed, for its summary.
select coalesce(sum(landed_rows), 0)::bigint as landed_rows, coalesce(sum(rejected_rows), 0)::bigint as rejected_rows,
       count(distinct batch_id) as batches
from ledger.chunk
where feed_id = %(feed_id)s;
