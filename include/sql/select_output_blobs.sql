-- The blobs that are a feed's output: its detection files that have been written, and the rejected rows of its chunks.
select blob_name, 'detections' as folder from ledger.detection_file where feed_id = %(feed_id)s and uploaded_at is not null
union all
select rejects_blob, 'rejects' from ledger.chunk where feed_id = %(feed_id)s and rejects_blob is not null
order by folder, blob_name;
