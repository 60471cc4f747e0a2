-- The batch that is not applied yet: at most one a feed.
select * from ledger.batch where feed_id = %(feed_id)s and applied_at is null;
