-- The weights of a feed, for a comparison of two feeds.
select merchant, customer, weight from ledger.weight where feed_id = %(feed_id)s order by merchant, customer;
