-- Seconds from the chunk of each file's last detection coming due to the file's upload; and which files were full.
select l.file_number, l.last_ordinal - l.first_ordinal + 1 = f.detections_per_file as is_full, d.chunk,
       extract(epoch from l.uploaded_at - f.started_at - (d.chunk - 1) * f.interval_seconds * interval '1 second')::float8 as uploaded
from ledger.detection_file l
join ledger.feed f using (feed_id)
join ledger.detection d on d.feed_id = l.feed_id and d.ordinal = l.last_ordinal
where l.feed_id = %(feed_id)s
order by l.file_number;
