-- Scheduled runs leave the feed alone from now on.
update ledger.feed set followed = false where feed = %(feed)s and followed;
