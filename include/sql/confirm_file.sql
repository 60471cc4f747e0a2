-- The file is in Blob Storage.
update ledger.detection_file set uploaded_at = now(), blob_sha256 = %(blob_sha256)s
where feed_id = %(feed_id)s and file_number = %(file_number)s and uploaded_at is null;
