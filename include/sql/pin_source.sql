-- The source has a new revision whose landed part is unchanged.
update ledger.feed
set source_revision = %(source_revision)s, source_size = %(source_size)s, source_md5 = %(source_md5)s
where feed_id = %(feed_id)s;
