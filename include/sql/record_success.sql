-- A run of the feed has gone through.
update ledger.feed set failures = 0, hold_until = null where feed = %(feed)s and failures > 0;
