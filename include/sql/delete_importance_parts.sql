-- CustomerImportance lands again: its parts may be others now.
delete from ledger.importance_part where feed_id = %(feed_id)s;
