-- What a job staged after its batch had been applied: a second execution, started when Databricks had forgotten the first.
delete from ledger.staged_batch s using ledger.batch b where b.batch_id = s.batch_id and b.applied_at is not null;
delete from ledger.staged_chunk s using ledger.batch b where b.batch_id = s.batch_id and b.applied_at is not null;
delete from ledger.staged_weight s using ledger.batch b where b.batch_id = s.batch_id and b.applied_at is not null;
delete from ledger.staged_pair s using ledger.batch b where b.batch_id = s.batch_id and b.applied_at is not null;
delete from ledger.staged_detection s using ledger.batch b where b.batch_id = s.batch_id and b.applied_at is not null;
