-- Keep the merchants' totals as they are, for an audit.
insert into ledger.audited_merchant (batch_id, merchant, transactions, female, male)
select %(batch_id)s, merchant, transactions, female, male from ledger.merchant_total where feed_id = %(feed_id)s;
