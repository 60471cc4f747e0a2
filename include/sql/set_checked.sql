-- Landing has looked at the source; exhausted_size tells whether it reached the end.
update ledger.feed set checked_at = now(), exhausted_size = %(exhausted_size)s where feed_id = %(feed_id)s;
