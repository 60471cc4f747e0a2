-- For each pattern, how many detections an audit has looked at, and of how many the rule still holds.
select d.pattern_id, count(*) as detections, count(*) filter (where d.still_holds) as still_hold
from ledger.batch b
join ledger.detection d on d.feed_id = b.feed_id and d.audited_chunk = b.last_chunk and d.withdrawn_by is null
where b.batch_id = %(batch_id)s
group by d.pattern_id
order by d.pattern_id;
