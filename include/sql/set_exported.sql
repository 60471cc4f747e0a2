-- All that was due is written: of every batch that was applied before, up to chunk `applied`. Those of an older version, of which
-- nothing is known, stay as they are.
update ledger.batch set exported_at = now()
where feed_id = %(feed_id)s and staged_at is not null and exported_at is null and last_chunk <= %(applied)s;
