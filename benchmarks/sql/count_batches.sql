-- How many batches have applied a feed.
select count(*) as batches from ledger.batch where feed_id = %(feed_id)s and applied_at is not null;
