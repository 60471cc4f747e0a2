-- UI: a page of detection files, the newest first; the next page goes on before the number of its last row.
select file_number, first_ordinal, last_ordinal, blob_name, blob_sha256, reserved_at, uploaded_at
from ledger.detection_file
where feed_id = %(feed_id)s and (%(before)s::integer is null or file_number < %(before)s::integer)
order by file_number desc
limit %(limit)s;
