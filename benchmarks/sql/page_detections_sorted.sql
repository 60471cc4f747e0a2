-- UI: detections sorted by merchant, then customer; keyset paging by both.
select ordinal, chunk, pattern_id, action_type, customer, merchant, detected_at
from ledger.detection where feed_id = %(feed_id)s and (merchant, customer) > (%(merchant)s, %(customer)s)
order by merchant, customer
limit 100;
