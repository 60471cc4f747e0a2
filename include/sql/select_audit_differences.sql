-- Where the ledger differs from what an audit's job has recomputed: the first ones, and how many there are.
with s as (
    select batch_id, feed_id, last_chunk, staging_id from ledger.staged where batch_id = %(batch_id)s and purpose = 'audit'
), difference as (
    select 'merchant' as what, merchant, null as customer, l.facts as ledger, r.facts as recomputed
    from (
        select merchant, transactions || ' transactions, ' || female || ' female, ' || male || ' male' as facts
        from ledger.audited_merchant join s using (batch_id)
    ) l
    full join (
        select merchant, sum(p.transactions) || ' transactions, ' || count(*) filter (where p.seen_female and not p.seen_male)
               || ' female, ' || count(*) filter (where p.seen_male and not p.seen_female) || ' male' as facts
        from ledger.staged_pair p join s using (batch_id, staging_id)
        group by merchant
    ) r using (merchant)
    where l.facts is distinct from r.facts
    union all
    select 'customer of merchant', merchant, customer, l.facts, r.facts
    from (
        select merchant, customer, transactions || ' transactions, amount ' || amount
               || case when seen_female then ', seen as F' else '' end || case when seen_male then ', seen as M' else '' end as facts
        from ledger.audited_pair join s using (batch_id)
    ) l
    full join (
        select merchant, customer, p.transactions || ' transactions, amount ' || p.amount
               || case when p.seen_female then ', seen as F' else '' end || case when p.seen_male then ', seen as M' else '' end as facts
        from ledger.staged_pair p join s using (batch_id, staging_id)
    ) r using (merchant, customer)
    where l.facts is distinct from r.facts
    union all
    select 'weight', merchant, customer, l.facts, r.facts
    from (select merchant, customer, weight::text as facts from ledger.weight join s using (feed_id)) l
    full join (
        select merchant, customer, w.weight::text as facts from ledger.staged_weight w join s using (batch_id, staging_id)
    ) r using (merchant, customer)
    where l.facts is distinct from r.facts
    union all
    -- What is kept for PatId1 follows from the totals and weights of the same moment, whichever that is.
    select 'weight kept with a customer of merchant', p.merchant, p.customer, p.weight::text, w.weight::text
    from s
    join ledger.feed f using (feed_id)
    join ledger.pair_total p using (feed_id)
    left join ledger.weight w on w.feed_id = p.feed_id and w.customer = p.customer
        and w.merchant = case f.weight_scope when 'customer' then '' else p.merchant end
    where p.weight is distinct from w.weight
    union all
    select 'customers with ' || transactions || ' transactions', merchant, null, l.customers::text, r.customers::text
    from (select merchant, transactions, customers from ledger.ranked_total join s using (feed_id)) l
    full join (
        select merchant, transactions, count(*) as customers
        from ledger.pair_total join s using (feed_id)
        where weight is not null
        group by merchant, transactions
    ) r using (merchant, transactions)
    where l.customers is distinct from r.customers
    union all
    select 'detection ' || pattern_id, merchant, customer, l.facts, r.facts
    from (
        select d.pattern_id, d.merchant, d.customer, min(d.action_type) || ' at chunk ' || min(d.chunk)
               || case when count(*) > 1 then ', ' || count(*) || ' times' else '' end as facts
        from ledger.detection d join s using (feed_id)
        where d.chunk <= s.last_chunk and d.withdrawn_by is null
        group by d.pattern_id, d.merchant, d.customer
    ) l
    full join (
        select d.pattern_id, d.merchant, d.customer, d.action_type || ' at chunk ' || d.chunk as facts
        from ledger.staged_detection d join s using (batch_id, staging_id)
    ) r using (pattern_id, merchant, customer)
    where l.facts is distinct from r.facts
    union all
    -- Null, and so no difference, in detections that are older than it.
    select 'evidence of detection ' || d.pattern_id, d.merchant, d.customer, d.evidence::text, r.evidence::text
    from ledger.detection d
    join s using (feed_id)
    join ledger.staged_detection r on r.batch_id = s.batch_id and r.staging_id = s.staging_id
        and r.pattern_id = d.pattern_id and r.merchant = d.merchant and r.customer = d.customer
    where d.withdrawn_by is null and d.chunk = r.chunk and d.evidence <> r.evidence
    union all
    select 'rows of chunk ' || chunk, null, null, l.landed_rows::text, r.transactions::text
    from (select c.chunk, c.landed_rows from ledger.chunk c join s using (feed_id) where c.chunk <= s.last_chunk and c.landed_rows > 0) l
    full join (select c.chunk, c.transactions from ledger.staged_chunk c join s using (batch_id, staging_id)) r using (chunk)
    where l.landed_rows is distinct from r.transactions
)
select what, merchant, customer, ledger, recomputed, count(*) over () as differences
from difference
order by what, merchant, customer
limit 20;
