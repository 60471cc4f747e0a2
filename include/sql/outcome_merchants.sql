-- The totals of a feed's merchants, for a comparison of two feeds.
select merchant, transactions, female, male from ledger.merchant_total where feed_id = %(feed_id)s order by merchant;
