-- UI: one detection file that has been written.
select file_number, blob_name from ledger.detection_file
where feed_id = %(feed_id)s and file_number = %(file_number)s and uploaded_at is not null;
