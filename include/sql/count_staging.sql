-- Rows in staging, of all batches.
select (select count(*) from ledger.staged_batch) as staged_batch,
       (select count(*) from ledger.staged_chunk) as staged_chunk,
       (select count(*) from ledger.staged_weight) as staged_weight,
       (select count(*) from ledger.staged_pair) as staged_pair,
       (select count(*) from ledger.staged_detection) as staged_detection;
