-- Files that are reserved and not confirmed.
select file_number, first_ordinal, last_ordinal, blob_name
from ledger.detection_file
where feed_id = %(feed_id)s and uploaded_at is null
order by file_number;
