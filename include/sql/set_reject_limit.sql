-- A run asks for another limit of rejected rows; batches that are open keep their chunks.
update ledger.feed set max_reject_percent = %(max_reject_percent)s where feed_id = %(feed_id)s;
