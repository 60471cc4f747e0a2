-- UI: when chunks landed and were applied: at most %(points)s of them, evenly spread, the last one among them.
select c.chunk, c.landed_at, b.applied_at
from ledger.feed_position p
cross join lateral generate_series(p.landed, 1, -greatest(1, ceil(p.landed / %(points)s::numeric)::int)) as s (chunk)
join ledger.chunk c on c.feed_id = p.feed_id and c.chunk = s.chunk
left join ledger.batch b on b.batch_id = c.batch_id
where p.feed_id = %(feed_id)s
order by c.chunk;
