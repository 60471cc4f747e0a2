-- UI: a page of merchants, the largest first, with what the rules say of each after the last applied chunk: from how many transactions and
-- up to which weight a customer is ranked among the top and bottom percent (PatId1); and for each pattern how many customers are within
-- 5 percent of a rule on every side that does not hold yet, or for PatId3 whether the merchant is.
with page as materialized (
    select * from ledger.merchant_total
    where feed_id = %(feed_id)s
    order by transactions desc, merchant
    offset %(offset)s
    limit %(limit)s
), merchant as materialized (
    select p.*, f.upgrade_percent as percent, f.upgrade_min_transactions, f.child_min_transactions, f.child_max_average, f.dei_min_female,
           coalesce((
               select sum(customers) from ledger.ranked_total where feed_id = p.feed_id and merchant = p.merchant
           ), 0)::bigint as ranked
    from page p
    join ledger.feed f using (feed_id)
), place as materialized (
    select m.*,
           -- As many have more: 100 * (rank - 1) <= percent * (n - 1).
           (select min(r.transactions) from (
                select transactions, sum(customers) over (order by transactions desc) - customers as before
                from ledger.ranked_total where feed_id = m.feed_id and merchant = m.merchant
            ) r where 100 * r.before <= m.percent * (m.ranked - 1)) as transactions_needed,
           (select weight from ledger.pair_total
            where feed_id = m.feed_id and merchant = m.merchant and weight is not null
            order by weight offset greatest(0, m.percent * (m.ranked - 1) / 100) limit 1) as weight_limit
    from merchant m
)
select p.merchant, p.transactions, p.female, p.male, p.ranked, p.transactions_needed, p.weight_limit,
       p.upgrade_min_transactions, p.dei_min_female,
       p.transactions > p.upgrade_min_transactions as is_ranked,
       d.by_pattern,
       case when p.transactions > 0.95 * p.upgrade_min_transactions then n.upgrade end as near_upgrade,
       n.child as near_child,
       d.by_pattern -> 'PatId3' is null and p.female > 0.95 * p.dei_min_female and p.female < 1.05 * p.male as near_dei
from place p
cross join lateral (
    select coalesce(jsonb_object_agg(pattern_id, found), '{}') as by_pattern
    from (
        select pattern_id, count(*) as found from ledger.detection
        where feed_id = p.feed_id and merchant = p.merchant and withdrawn_by is null
          and pattern_id in ('PatId1', 'PatId2', 'PatId3')
        group by pattern_id
    ) of_pattern
) d
cross join lateral (
    select count(*) filter (where t.upgrade and not exists (
               select from ledger.detection
               where feed_id = p.feed_id and pattern_id = 'PatId1' and merchant = p.merchant and customer = t.customer
                 and withdrawn_by is null
           )) as upgrade,
           count(*) filter (where t.child and not exists (
               select from ledger.detection
               where feed_id = p.feed_id and pattern_id = 'PatId2' and merchant = p.merchant and customer = t.customer
                 and withdrawn_by is null
           )) as child
    from (
        select customer,
               transactions >= 0.95 * p.transactions_needed and weight <= 1.05 * p.weight_limit as upgrade,
               transactions >= 0.95 * p.child_min_transactions and amount < 1.05 * p.child_max_average * transactions as child
        from ledger.pair_total
        where feed_id = p.feed_id and merchant = p.merchant
    ) t
    where t.upgrade or t.child
) n
order by p.transactions desc, p.merchant;
