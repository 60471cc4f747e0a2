-- The batch, when it is open and no complete staging of it is there.
select b.batch_id, b.generation
from ledger.batch b
where b.batch_id = %(batch_id)s and b.applied_at is null and b.closed_at is null
  and not exists (select from ledger.staged s where s.batch_id = b.batch_id);
