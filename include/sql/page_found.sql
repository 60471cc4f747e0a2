-- UI: how many detections each pattern has in each stretch of %(step)s chunks.
select pattern_id, (chunk - 1) / %(step)s as stretch, count(*) as found
from ledger.detection
where feed_id = %(feed_id)s and withdrawn_by is null
group by pattern_id, stretch
order by pattern_id, stretch;
