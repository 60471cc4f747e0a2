-- Scheduled runs land and apply nothing more of the feed; what they have found, they still write.
update ledger.feed set followed = false, backfill_to = null, backfill_chunks = null
where feed = %(feed)s and (followed or backfill_to is not null);
