-- What a job staged after its batch had been applied or given up, and what an audit that is closed has left.
delete from ledger.staged_chunk where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.staged_weight where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.staged_pair where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.staged_detection where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.staged_holding where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.audited_pair where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.audited_merchant where batch_id in (select batch_id from ledger.stale_staging);
delete from ledger.staged_batch where batch_id in (select batch_id from ledger.stale_staging);
