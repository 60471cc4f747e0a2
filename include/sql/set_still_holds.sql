-- Whether the rule of each detection still holds at the chunk up to which an audit went.
with s as materialized (select * from ledger.staged where batch_id = %(batch_id)s and purpose = 'audit')
update ledger.detection d set
    audited_chunk = s.last_chunk,
    still_holds = exists (
        select from ledger.staged_holding h
        where h.batch_id = s.batch_id and h.staging_id = s.staging_id
          and h.pattern_id = d.pattern_id and h.merchant = d.merchant and h.customer = d.customer
    )
from s
where d.feed_id = s.feed_id and d.chunk <= s.last_chunk and d.withdrawn_by is null;
