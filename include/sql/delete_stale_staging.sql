-- What a job staged after its batch had been applied or given up: a second execution, started when Databricks had forgotten the first.
-- A look-up of the batch for each row: staging is small, the list of batches grows for ever.
delete from ledger.staged_batch s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.staged_chunk s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.staged_weight s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.staged_pair s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.staged_detection s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.staged_holding s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.audited_merchant s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
delete from ledger.audited_pair s
where (select coalesce(applied_at, closed_at) from ledger.batch b where b.batch_id = s.batch_id) is not null;
