-- What a job staged after its batch had been applied or given up, and what an audit that is closed has left. One statement, so that
-- these batches are looked for once, not once for each table.
with stale as materialized (
    select batch_id from ledger.stale_staging
), chunk as (
    delete from ledger.staged_chunk where batch_id in (select batch_id from stale)
), weight as (
    delete from ledger.staged_weight where batch_id in (select batch_id from stale)
), pair as (
    delete from ledger.staged_pair where batch_id in (select batch_id from stale)
), detection as (
    delete from ledger.staged_detection where batch_id in (select batch_id from stale)
), holding as (
    delete from ledger.staged_holding where batch_id in (select batch_id from stale)
), audited_pair as (
    delete from ledger.audited_pair where batch_id in (select batch_id from stale)
), audited_merchant as (
    delete from ledger.audited_merchant where batch_id in (select batch_id from stale)
)
delete from ledger.staged_batch where batch_id in (select batch_id from stale);
