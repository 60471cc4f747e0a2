-- The detections that no file holds yet: the first of them, the last one, and the file reserved last.
select f.feed, f.detections_per_file, f.linger_seconds,
       p.landed_to_end and p.applied = p.landed as exhausted,
       coalesce(l.file_number, 0) as last_file,
       coalesce(l.last_ordinal, 0) as last_ordinal,
       (select coalesce(max(ordinal), 0) from ledger.detection where feed_id = f.feed_id) as newest_ordinal,
       extract(epoch from now() - w.detected_at)::float8 as oldest_seconds -- of the next file's; a rebuild puts new ones among old ones
from ledger.feed f
join ledger.feed_position p using (feed_id)
left join lateral (
    select file_number, last_ordinal from ledger.detection_file where feed_id = f.feed_id order by file_number desc limit 1
) l on true
left join lateral (
    select min(detected_at) as detected_at
    from (select detected_at from ledger.detection where feed_id = f.feed_id and ordinal > coalesce(l.last_ordinal, 0)
          order by ordinal limit f.detections_per_file) next_file
) w on true
where f.feed_id = %(feed_id)s;
