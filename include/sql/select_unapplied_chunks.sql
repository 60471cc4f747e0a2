-- The landed chunks that no batch has applied yet.
select * from ledger.chunk where feed_id = %(feed_id)s and batch_id is null order by chunk;
