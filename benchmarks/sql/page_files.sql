-- UI: a page of detection files, the newest first; keyset paging by number.
select file_number, first_ordinal, last_ordinal, blob_name, uploaded_at
from ledger.detection_file
where feed_id = %(feed_id)s and file_number < %(before)s
order by file_number desc
limit 100;
