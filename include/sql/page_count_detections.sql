-- UI: how many detections fit, counted up to a limit.
select count(*) as found
from (
    select from ledger.detection
    where feed_id = %(feed_id)s
      and (%(pattern_id)s::text is null or pattern_id = %(pattern_id)s::text)
      and (%(merchant)s::text is null or merchant = %(merchant)s::text)
      and (%(customer)s::text is null or customer = %(customer)s::text)
      and (%(first_chunk)s::integer is null or chunk >= %(first_chunk)s::integer)
      and (%(last_chunk)s::integer is null or chunk <= %(last_chunk)s::integer)
    limit %(limit)s
) fitting;
