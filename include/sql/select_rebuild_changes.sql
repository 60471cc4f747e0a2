-- What a rebuild changed against before.
select change, pattern_id, merchant, customer, chunk_before, chunk_after, exported
from ledger.rebuild_change where batch_id = %(batch_id)s
order by change, coalesce(chunk_after, chunk_before), pattern_id, merchant, customer;
