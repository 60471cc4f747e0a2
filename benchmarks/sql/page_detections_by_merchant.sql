-- UI: a page of detections of one merchant, in their order; keyset paging by ordinal.
select ordinal, chunk, pattern_id, action_type, customer, merchant, detected_at
from ledger.detection where feed_id = %(feed_id)s and merchant = %(merchant)s and ordinal > %(after)s
order by ordinal
limit 100;
