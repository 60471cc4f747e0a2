-- CustomerImportance has landed.
update ledger.feed set importance_revision = %(revision)s where feed_id = %(feed_id)s;
