-- UI: how many detections each pattern has in each stretch of %(step)s chunks; a stretch at a time, so that an index is enough.
select s.stretch, d.pattern_id, d.found
from (select generate_series(0, (%(applied)s - 1) / %(step)s) as stretch) s
cross join lateral (
    select pattern_id, count(*) as found
    from ledger.detection
    where feed_id = %(feed_id)s and withdrawn_by is null
      and chunk between s.stretch * %(step)s + 1 and (s.stretch + 1) * %(step)s
    group by pattern_id
) d
order by d.pattern_id, s.stretch;
