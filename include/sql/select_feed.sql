-- A feed with its settings and how far it has got.
select f.*, p.landed, p.applied, p.position, p.line, p.bytes_per_row, p.landed_to_end, p.next_due_at,
       case when f.interval_seconds = 0 then null
            else greatest(0, floor(extract(epoch from now() - f.started_at) / f.interval_seconds) + 1)::bigint
       end as due -- chunks due by now; null: all
from ledger.feed f
join ledger.feed_position p using (feed_id)
where f.feed = %(feed)s;
