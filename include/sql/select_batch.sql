-- A batch with what its detection job is told.
select b.*, f.feed, f.columns, f.weights_ready, f.upgrade_percent, f.upgrade_min_transactions, f.weight_scope,
       f.child_min_transactions, f.child_max_average, f.dei_min_female
from ledger.batch b
join ledger.feed f using (feed_id)
where b.batch_id = %(batch_id)s;
