-- A run of the feed has failed: scheduled runs leave it alone for 10 s, 20 s, 40 s, ... at most 10 minutes.
update ledger.feed set
    failures = failures + 1,
    hold_until = now() + least(600, 10 * 2 ^ least(failures, 10)) * interval '1 second'
where feed = %(feed)s;
