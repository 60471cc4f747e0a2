-- Let nobody go on with the feeds that a measure has left half-way.
with given_up as (
    update ledger.batch set closed_at = now(), last_error = 'left by a benchmark'
    where applied_at is null and closed_at is null
      and feed_id in (select feed_id from ledger.feed where feed like 'bench-%%')
)
update ledger.feed set followed = false, backfill_to = null, backfill_chunks = null, failures = 5 -- given up: a rest is not written
where feed like 'bench-%%' and (followed or failures < 5);
