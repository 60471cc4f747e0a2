-- The totals of a feed's customers at its merchants, for a comparison of two feeds.
select merchant, customer, transactions, amount, seen_female, seen_male
from ledger.pair_total
where feed_id = %(feed_id)s
order by merchant, customer;
