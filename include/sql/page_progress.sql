-- UI: how many detections and files a feed has; `reserved` detections have a file, which is written or is being written.
select (select coalesce(max(ordinal), 0) from ledger.detection where feed_id = %(feed_id)s) as detections,
       coalesce(max(last_ordinal), 0) as reserved,
       count(*) filter (where uploaded_at is not null) as files,
       count(*) filter (where uploaded_at is null) as unconfirmed
from ledger.detection_file
where feed_id = %(feed_id)s;
