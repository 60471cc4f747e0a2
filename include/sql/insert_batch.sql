-- Open a batch.
insert into ledger.batch (feed_id, purpose, rules, first_chunk, last_chunk, run_id)
values (%(feed_id)s, %(purpose)s, %(rules)s, %(first_chunk)s, %(last_chunk)s, %(run_id)s)
returning *;
