-- A run asks for its range in batches of a size, or (both null) in one.
update ledger.feed set backfill_to = %(backfill_to)s, backfill_chunks = %(backfill_chunks)s where feed_id = %(feed_id)s;
