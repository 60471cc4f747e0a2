-- The detections of a feed in their order, times aside, for a comparison of two feeds.
select ordinal, chunk, pattern_id, action_type, customer, merchant
from ledger.detection
where feed_id = %(feed_id)s
order by ordinal;
