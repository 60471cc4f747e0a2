-- A batch with what its detection job is told.
select b.*, f.feed, f.columns, f.chunk_size, f.weights_ready and b.purpose = 'apply' as weights_ready,
       r.upgrade_percent, r.upgrade_min_transactions, r.weight_scope, r.child_min_transactions, r.child_max_average, r.dei_min_female
from ledger.batch b
join ledger.batch_rules r using (batch_id)
join ledger.feed f on f.feed_id = b.feed_id
where b.batch_id = %(batch_id)s;
