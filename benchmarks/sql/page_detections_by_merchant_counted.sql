-- UI: how many detections each pattern has per merchant, the most first.
select merchant, pattern_id, count(*) as found
from ledger.detection where feed_id = %(feed_id)s and withdrawn_by is null
group by merchant, pattern_id
order by found desc, merchant
limit 100;
