-- UI: all feeds, the newest first.
select feed from ledger.feed order by started_at desc, feed_id desc;
