-- UI: since when the first chunk that is not applied has been waiting: since it came due, or in a feed without a pace since it landed.
select case when f.interval_seconds = 0 then c.landed_at
            else f.started_at + p.applied * f.interval_seconds * interval '1 second'
       end as since
from ledger.feed f
join ledger.feed_position p on p.feed_id = f.feed_id
left join ledger.chunk c on c.feed_id = f.feed_id and c.chunk = p.applied + 1
where f.feed_id = %(feed_id)s;
