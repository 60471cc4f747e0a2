-- From now on scheduled runs carry the feed on.
update ledger.feed set followed = true where feed_id = %(feed_id)s and not followed;
