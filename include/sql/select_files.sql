-- A feed's detection files, confirmed or not.
select file_number, first_ordinal, last_ordinal, blob_name, blob_sha256, uploaded_at
from ledger.detection_file
where feed_id = %(feed_id)s
order by file_number;
