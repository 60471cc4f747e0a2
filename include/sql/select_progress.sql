-- What a person wants to see of a feed.
select f.feed, f.feed_id, f.followed, f.chunk_size, f.interval_seconds, f.started_at, f.source_size, f.weights_ready, f.failures,
       p.landed, p.applied, p.position, p.bytes_per_row, p.landed_to_end,
       case when f.interval_seconds = 0 then null
            else greatest(0, floor(extract(epoch from now() - f.started_at) / f.interval_seconds) + 1)::bigint
       end as due,
       (select coalesce(max(d.ordinal), 0) from ledger.detection d where d.feed_id = f.feed_id) as detections,
       (select coalesce(max(l.last_ordinal), 0) from ledger.detection_file l where l.feed_id = f.feed_id) as reserved,
       (select count(*) from ledger.detection_file l where l.feed_id = f.feed_id and l.uploaded_at is not null) as files,
       (select count(*) from ledger.detection_file l where l.feed_id = f.feed_id and l.uploaded_at is null) as unconfirmed,
       (select max(l.uploaded_at) from ledger.detection_file l where l.feed_id = f.feed_id) as last_file_at,
       (select coalesce(jsonb_object_agg(pattern_id, found), '{}') from (
            select pattern_id, count(*) as found from ledger.detection where feed_id = f.feed_id and withdrawn_by is null
            group by pattern_id
        ) by_pattern) as by_pattern
from ledger.feed f
join ledger.feed_position p using (feed_id)
where f.feed = %(feed)s;
