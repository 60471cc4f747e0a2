-- Scheduled runs leave the feed alone from now on.
update ledger.feed set followed = false, backfill_to = null, backfill_chunks = null
where feed = %(feed)s and (followed or backfill_to is not null);
