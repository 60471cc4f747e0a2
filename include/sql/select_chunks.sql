-- The landed chunks of a range.
select * from ledger.chunk
where feed_id = %(feed_id)s and chunk between %(first_chunk)s and %(last_chunk)s
order by chunk;
