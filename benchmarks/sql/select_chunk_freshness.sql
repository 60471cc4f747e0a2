-- Seconds from each chunk of a feed coming due to its landing and to the commit of its detections.
select c.chunk,
       extract(epoch from c.landed_at - due.at)::float8 as landed,
       extract(epoch from b.applied_at - due.at)::float8 as applied
from ledger.chunk c
join ledger.feed f using (feed_id)
join ledger.batch b on b.batch_id = c.batch_id
cross join lateral (select f.started_at + (c.chunk - 1) * f.interval_seconds * interval '1 second' as at) due
where c.feed_id = %(feed_id)s
order by c.chunk;
