-- The range that a run asked for, to be applied in batches of a size, or (null) in one; both null: none is under way.
update ledger.feed set backfill_to = %(backfill_to)s, backfill_chunks = %(backfill_chunks)s where feed_id = %(feed_id)s;
