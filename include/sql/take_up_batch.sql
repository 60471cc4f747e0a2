-- The batch that will change the state and has not yet, at most one a feed: a run goes on with it.
update ledger.batch set run_id = coalesce(%(run_id)s, run_id)
where feed_id = %(feed_id)s and applied_at is null and closed_at is null and purpose <> 'audit'
returning *;
