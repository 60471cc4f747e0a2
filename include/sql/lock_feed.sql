-- One at a time opens a batch or reserves files of a feed.
select feed_id from ledger.feed where feed_id = %(feed_id)s for update;
