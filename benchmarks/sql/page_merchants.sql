-- UI: the largest merchants of a feed.
select merchant, transactions, female, male
from ledger.merchant_total where feed_id = %(feed_id)s
order by transactions desc, merchant
limit 100;
