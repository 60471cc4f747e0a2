-- Two runs that create the schema at once would fail on each other. The number is arbitrary and ours.
select pg_advisory_xact_lock(7203011);
