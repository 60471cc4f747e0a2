-- The landed chunks, up to last_chunk, whose blobs a batch will still read: those that none has applied, and all of a feed that is
-- being rebuilt.
select * from ledger.chunk
where feed_id = %(feed_id)s and chunk <= %(last_chunk)s and batch_id is null
union all
select * from ledger.chunk
where feed_id = %(feed_id)s and chunk <= %(last_chunk)s and batch_id is not null and exists (
    select from ledger.batch b
    where b.feed_id = %(feed_id)s and b.purpose = 'rebuild' and b.applied_at is null and b.closed_at is null
)
order by chunk;
