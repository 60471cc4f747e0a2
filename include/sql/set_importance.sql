-- CustomerImportance has landed.
update ledger.feed set importance_revision = %(revision)s, importance_sha256 = %(sha256)s where feed_id = %(feed_id)s;
