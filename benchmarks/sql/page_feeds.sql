-- UI: all feeds, and how far each has got.
select p.feed, p.landed, p.applied, p.landed_to_end, p.last_applied_at from ledger.feed_position p order by p.feed;
