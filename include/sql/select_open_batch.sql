-- The batch that will change the state and has not yet: at most one a feed.
select * from ledger.batch
where feed_id = %(feed_id)s and applied_at is null and closed_at is null and purpose <> 'audit';
