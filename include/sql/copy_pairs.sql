-- Keep the pairs' totals as they are, for an audit.
insert into ledger.audited_pair (batch_id, merchant, customer, transactions, amount, seen_female, seen_male)
select %(batch_id)s, merchant, customer, transactions, amount, seen_female, seen_male
from ledger.pair_total where feed_id = %(feed_id)s;
