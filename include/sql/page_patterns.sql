-- UI: the patterns of which a feed has detections; jumps from one to the next in the primary key.
with recursive found (pattern_id) as (
    select min(pattern_id) from ledger.detection where feed_id = %(feed_id)s
    union all
    select (select min(d.pattern_id) from ledger.detection d where d.feed_id = %(feed_id)s and d.pattern_id > f.pattern_id)
    from found f
    where f.pattern_id is not null
)
select f.pattern_id, d.action_type
from (select pattern_id from found where pattern_id is not null) f -- the last step finds none, and would be looked for everywhere
cross join lateral (
    select action_type from ledger.detection where feed_id = %(feed_id)s and pattern_id = f.pattern_id limit 1
) d
order by f.pattern_id;
