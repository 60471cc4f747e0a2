-- The blobs that hold a feed's CustomerImportance, in order; none: it has not landed.
select part, blob_name, blob_sha256 from ledger.importance_part where feed_id = %(feed_id)s order by part;
