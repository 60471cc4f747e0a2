-- UI: a page of detections by chunk, the oldest first; the next page goes on after the detection with that ordinal.
select d.ordinal, d.chunk, d.pattern_id, d.action_type, d.customer, d.merchant, d.detected_at, d.evidence, d.still_holds, d.audited_chunk,
       d.withdrawn_by, f.file_number
from (
    select * from ledger.detection
    where feed_id = %(feed_id)s and (%(after)s = 0 or (chunk, ordinal) > (
          select chunk, ordinal from ledger.detection where feed_id = %(feed_id)s and ordinal = %(after)s
      ))
      and (%(pattern_id)s::text is null or pattern_id = %(pattern_id)s::text)
      and (%(merchant)s::text is null or merchant = %(merchant)s::text)
      and (%(customer)s::text is null or customer = %(customer)s::text)
      and (%(first_chunk)s::integer is null or chunk >= %(first_chunk)s::integer)
      and (%(last_chunk)s::integer is null or chunk <= %(last_chunk)s::integer)
    order by chunk, ordinal
    limit %(limit)s
) d
left join lateral (
    select file_number, last_ordinal from ledger.detection_file
    where feed_id = d.feed_id and first_ordinal <= d.ordinal
    order by first_ordinal desc limit 1
) f on f.last_ordinal >= d.ordinal
order by d.chunk, d.ordinal;
