-- Open a batch.
insert into ledger.batch (feed_id, first_chunk, last_chunk)
values (%(feed_id)s, %(first_chunk)s, %(last_chunk)s)
returning *;
