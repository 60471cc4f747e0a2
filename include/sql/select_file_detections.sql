-- The rows of a file, in their order.
select f.started_at, d.detected_at, d.pattern_id, d.action_type, d.customer, d.merchant
from ledger.detection d
join ledger.feed f using (feed_id)
where d.feed_id = %(feed_id)s and d.ordinal between %(first_ordinal)s and %(last_ordinal)s
order by d.ordinal;
