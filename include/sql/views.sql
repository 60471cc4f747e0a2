-- Views of the ledger; applied after staging.sql, and like it idempotent.

-- The rules of a batch: its feed's, unless a rebuild changes them. state_feed_id is the feed whose state is the one before the batch:
-- none for a rebuild or an audit, which start from nothing.
create or replace view ledger.batch_rules as
select b.batch_id, b.feed_id, b.purpose,
       case when b.purpose = 'apply' then b.feed_id end as state_feed_id,
       coalesce((b.rules ->> 'upgrade_percent')::integer, f.upgrade_percent) as upgrade_percent,
       coalesce((b.rules ->> 'upgrade_min_transactions')::bigint, f.upgrade_min_transactions) as upgrade_min_transactions,
       coalesce(b.rules ->> 'weight_scope', f.weight_scope) as weight_scope,
       coalesce((b.rules ->> 'child_min_transactions')::bigint, f.child_min_transactions) as child_min_transactions,
       coalesce((b.rules ->> 'child_max_average')::numeric, f.child_max_average) as child_max_average,
       coalesce((b.rules ->> 'dei_min_female')::bigint, f.dei_min_female) as dei_min_female
from ledger.batch b
join ledger.feed f using (feed_id);

-- The landed blobs of a feed: its chunks, by number, and its importance, by part.
create or replace view ledger.landed_blob as
select f.feed, c.chunk, null::integer as part, c.blob_name, c.blob_sha256, c.landed_rows
from ledger.feed f
join ledger.chunk c using (feed_id)
union all
select f.feed, null, p.part, p.blob_name, p.blob_sha256, null
from ledger.feed f
join ledger.importance_part p using (feed_id);

-- What a job reads of the state: only what it has staged, and of that only what may still be detected. Spark pushes the filter on
-- batch_id and staging_id down. Rows staged a moment ago have no statistics: PostgreSQL takes them for one row, and would compare
-- every key with every other. `lateral ... limit 1` and `offset 0` make each of these a look-up in an index, whatever it thinks of the
-- sizes; `not materialized` lets the filter through.

drop view if exists ledger.upgrade_pair;
drop view if exists ledger.upgrade_idle;
drop view if exists ledger.upgrade_weight;
drop view if exists ledger.upgrade_total;
drop view if exists ledger.touched_pair;
drop view if exists ledger.upgrade_merchant;
drop view if exists ledger.touched_merchant;
drop view if exists ledger.batch_state;
drop view if exists ledger.batch_merchant;

-- Every merchant of the batch with its totals before it (zeros for one not seen before), whether PatId1 ranks its customers, and how
-- many of them have a weight: before the batch, and new in it, these with first chunk and weight of each. Of the places before the batch
-- the last that qualified was place_before, and the last that qualifies at one of its boundaries is between first_place, to which lighter
-- new customers can push it, and last_place: `limits` are the weights from the one to the other. And no customer with fewer than `least`
-- transactions qualifies: as many as last_place had those before the batch, and nobody's become fewer. At place_before it was least_before.
create view ledger.batch_merchant as
with merchant as not materialized (
    select s.batch_id, s.staging_id, s.merchant, b.state_feed_id, b.upgrade_percent as percent,
           case b.weight_scope when 'customer' then '' else s.merchant end as weight_merchant,
           b.child_min_transactions, b.child_max_average, b.dei_min_female,
           coalesce(t.transactions, 0) as transactions, coalesce(t.female, 0) as female, coalesce(t.male, 0) as male,
           coalesce(t.transactions, 0) + s.batch_transactions > b.upgrade_min_transactions as is_big,
           coalesce(t.transactions, 0) > b.upgrade_min_transactions as ranked_before
    from (
        select batch_id, staging_id, merchant, sum(transactions)::bigint as batch_transactions
        from ledger.staged_pair
        group by batch_id, staging_id, merchant
    ) s
    join ledger.batch_rules b on b.batch_id = s.batch_id
    left join lateral (
        select * from ledger.merchant_total where feed_id = b.state_feed_id and merchant = s.merchant limit 1
    ) t on true
)
select m.*, c.customers, n.customers as new_customers, n.chunks as new_chunks, n.weights as new_weights,
       m.is_big and c.customers + n.customers > 0 as ranked,
       p.place_before, p.first_place, p.last_place, l.least_before, l.least, w.limits
from merchant m
cross join lateral (
    select coalesce(sum(customers), 0)::bigint as customers from ledger.ranked_total
    where m.is_big and feed_id = m.state_feed_id and merchant = m.merchant
) c
cross join lateral (
    select count(*) as customers, array_agg(s.first_chunk) as chunks, array_agg(w.weight) as weights
    from (select customer, first_chunk from ledger.staged_pair
          where m.is_big and batch_id = m.batch_id and staging_id = m.staging_id and merchant = m.merchant offset 0) s
    left join lateral (
        select true as known from ledger.pair_total
        where feed_id = m.state_feed_id and merchant = m.merchant and customer = s.customer
        limit 1
    ) k on true
    cross join lateral (
        select weight from ledger.weight
        where k.known is null and feed_id = m.state_feed_id and merchant = m.weight_merchant and customer = s.customer
        union all
        select weight from ledger.staged_weight
        where k.known is null and batch_id = m.batch_id and staging_id = m.staging_id
          and merchant = m.weight_merchant and customer = s.customer
        limit 1
    ) w
) n
cross join lateral (
    select greatest(1, m.percent * (c.customers - 1) / 100 + 1) as place_before,
           greatest(1, m.percent * (c.customers - 1) / 100 + 1 - n.customers) as first_place,
           greatest(1, m.percent * (c.customers + n.customers - 1) / 100 + 1) as last_place
) p
cross join lateral (
    select coalesce(max(transactions) filter (where place >= p.place_before), 0) as least_before,
           coalesce(max(transactions) filter (where place >= p.last_place), 0) as least
    from (
        select transactions, sum(customers) over (order by transactions desc) as place
        from ledger.ranked_total where m.is_big and feed_id = m.state_feed_id and merchant = m.merchant
    ) t
) l
cross join lateral (
    select array_agg(weight order by weight) as limits from (
        select weight from ledger.pair_total
        where m.is_big and feed_id = m.state_feed_id and merchant = m.merchant and weight is not null
        order by weight
        offset p.first_place - 1 limit p.last_place - p.first_place + 1
    ) t
) w;

-- The state, all that the batch needs of it in one query, which works the merchants out once. Rows of five kinds, each with columns of
-- its own; the others are null, which makes a union forget how many digits its numbers have.
create view ledger.batch_state as
select m.batch_id, m.staging_id, r.kind, m.merchant, r.customer, r.transactions, r.amount::numeric(24, 2), r.as_female, r.as_male,
       r.weight::numeric(38, 12), r.female, r.male, r.ranked_before, r.customers, r.chunk, r.place,
       hashtext(m.merchant) & 7 as part -- the same for all rows of a merchant: so that several queries can share them
from ledger.batch_merchant m
cross join lateral (
    -- merchant: its totals.
    select 'merchant' as kind, null::text as customer, m.transactions, null::numeric as amount,
           null::integer as as_female, null::integer as as_male, null::numeric as weight, m.female, m.male,
           null::boolean as ranked_before, null::bigint as customers, null::integer as chunk, null::bigint as place
    union all
    -- pair: those of the batch that a rule may come to hold for within it. With their totals before the batch (zeros for a new one):
    -- customers for PatId1 that come to enough transactions, and those with enough of them for PatId2 whose average may come to be low
    -- enough. With the boundaries from which on they are seen as a gender (0: before the batch): for PatId3, those that change the
    -- numbers of a merchant that may become one. Bounds of PatId2: all of the batch's transactions, and nothing paid for them; of PatId3:
    -- every new woman and no new man, and the reverse: one more seen as a man changes the difference by one.
    select 'pair', p.customer,
           case when p.is_active or p.is_child then p.transactions end, case when p.is_active or p.is_child then p.amount end,
           case when p.is_counted then p.as_female end, case when p.is_counted then p.as_male end,
           case when p.is_active then coalesce(p.weight, w.weight) end, null, null, null, null, null, null
    from (
        select s.customer, k.customer is null as is_new, k.weight,
               coalesce(k.transactions, 0) as transactions, coalesce(k.amount, 0) as amount,
               case when k.seen_female then 0 else s.first_female end as as_female,
               case when k.seen_male then 0 else s.first_male end as as_male,
               m.ranked and coalesce(k.transactions, 0) + s.transactions >= m.least as is_active,
               coalesce(k.transactions, 0) + s.transactions >= m.child_min_transactions
                   and coalesce(k.amount, 0) < m.child_max_average * (coalesce(k.transactions, 0) + s.transactions) as is_child,
               (s.seen_female and k.seen_female is not true or s.seen_male and k.seen_male is not true)
                   and m.female + count(*) filter (where s.seen_female and k.seen_female is not true) over () > m.dei_min_female
                   and m.male + count(*) filter (where s.seen_male and k.seen_male is not true) over () > m.female as is_counted
        from ledger.staged_pair s
        left join lateral (
            select * from ledger.pair_total
            where feed_id = m.state_feed_id and merchant = m.merchant and customer = s.customer
            limit 1
        ) k on true
        where s.batch_id = m.batch_id and s.staging_id = m.staging_id and s.merchant = m.merchant
    ) p
    left join lateral (
        select weight from ledger.weight
        where p.is_active and p.is_new and feed_id = m.state_feed_id and merchant = m.weight_merchant and customer = p.customer
        union all
        select weight from ledger.staged_weight
        where p.is_active and p.is_new and batch_id = m.batch_id and staging_id = m.staging_id
          and merchant = m.weight_merchant and customer = p.customer
        limit 1
    ) w on true
    where p.is_active and coalesce(p.weight, w.weight) is not null
       or p.is_child and not exists (
           select from ledger.detection d
           where d.feed_id = m.state_feed_id and d.pattern_id = 'PatId2' and d.merchant = m.merchant and d.customer = p.customer
             and d.withdrawn_by is null
       )
       or p.is_counted and not exists (
           select from ledger.detection d
           where d.feed_id = m.state_feed_id and d.pattern_id = 'PatId3' and d.merchant = m.merchant and d.customer = ''
             and d.withdrawn_by is null
       )
    union all
    -- total: how many of a ranked merchant's customers have how many transactions before the batch, of those that count.
    select 'total', null, t.transactions, null, null, null, null, null, null, null, t.customers, null, null
    from ledger.ranked_total t
    where m.ranked and t.feed_id = m.state_feed_id and t.merchant = m.merchant and t.transactions >= m.least
    union all
    -- idle: its customers without a transaction in the batch for whom PatId1 may come to hold all the same: when new customers come,
    -- the places that qualify grow; and when the merchant comes over upgrade_min_transactions. No limit by weight goes beyond that of
    -- last_place before the batch. Of a merchant that was ranked before, those within both limits of then have been detected: as long as
    -- no fewer transactions are needed, the others are beyond the limit by weight.
    select 'idle', p.customer, p.transactions, null, null, null, p.weight, null, null, null, null, null, null
    from (
        select case when m.ranked_before and m.least = m.least_before then m.limits[m.place_before - m.first_place + 1] end as beyond,
               m.limits[m.last_place - m.first_place + 1] as most
    ) w
    cross join lateral (
        select customer, transactions, weight from ledger.pair_total
        where m.ranked and (m.new_customers > 0 or not m.ranked_before)
          and feed_id = m.state_feed_id and merchant = m.merchant and transactions >= m.least
          and weight > coalesce(w.beyond, '-infinity'::numeric) and weight <= coalesce(w.most, 'infinity'::numeric)
        offset 0
    ) p
    left join lateral (
        select true as touched from ledger.staged_pair
        where batch_id = m.batch_id and staging_id = m.staging_id and merchant = m.merchant and customer = p.customer
        limit 1
    ) s on true
    where s.touched is null and not exists (
        select from ledger.detection d
        where d.feed_id = m.state_feed_id and d.pattern_id = 'PatId1' and d.merchant = m.merchant and d.customer = p.customer
          and d.withdrawn_by is null
    )
    union all
    -- weight: those among which the last place that qualifies lies at every boundary of the batch: of the customers seen before, those
    -- that new ones can push it to (chunk 0, with their place), and of the new ones all (with their first chunk, place null).
    select 'weight', null, null, null, null, null, p.weight, null, null, m.ranked_before, m.customers, 0,
           m.first_place - 1 + p.place
    from unnest(m.limits) with ordinality p (weight, place)
    union all
    select 'weight', null, null, null, null, null, n.weight, null, null, m.ranked_before, m.customers, n.chunk, null
    from unnest(m.new_chunks, m.new_weights) n (chunk, weight)
) r;

-- The open batches whose job has finished, each with the one staging to take: the first complete one.
create or replace view ledger.staged as
select distinct on (b.batch_id) b.batch_id, b.feed_id, b.purpose, b.first_chunk, b.last_chunk, s.staging_id
from ledger.batch b
join ledger.staged_batch s on s.batch_id = b.batch_id
where b.applied_at is null and b.closed_at is null and (s.detections is null or s.detections = (
    select count(*) from ledger.staged_detection d where d.batch_id = s.batch_id and d.staging_id = s.staging_id
))
order by b.batch_id, s.staged_at, s.staging_id;

-- The batch that is being committed: ledger.check_batch has chosen its staging. Nothing is counted here, which PostgreSQL might do again
-- for every row that it joins.
drop view if exists ledger.committable;
create view ledger.committable as
select batch_id, feed_id, purpose, first_chunk, last_chunk, staging_id
from ledger.batch
where applied_at is null and closed_at is null and purpose <> 'audit' and staging_id is not null;

-- The ended batches of which rows are in staging: a second execution of a job that Databricks had forgotten, or a closed audit.
-- Jumps from one batch to the next in the primary keys: an open audit of a big feed has millions of rows that stay.
create or replace view ledger.stale_staging as
with recursive
    b(id) as (select min(batch_id) from ledger.staged_batch union all
              select (select min(batch_id) from ledger.staged_batch where batch_id > id) from b where id is not null),
    c(id) as (select min(batch_id) from ledger.staged_chunk union all
              select (select min(batch_id) from ledger.staged_chunk where batch_id > id) from c where id is not null),
    w(id) as (select min(batch_id) from ledger.staged_weight union all
              select (select min(batch_id) from ledger.staged_weight where batch_id > id) from w where id is not null),
    p(id) as (select min(batch_id) from ledger.staged_pair union all
              select (select min(batch_id) from ledger.staged_pair where batch_id > id) from p where id is not null),
    d(id) as (select min(batch_id) from ledger.staged_detection union all
              select (select min(batch_id) from ledger.staged_detection where batch_id > id) from d where id is not null),
    h(id) as (select min(batch_id) from ledger.staged_holding union all
              select (select min(batch_id) from ledger.staged_holding where batch_id > id) from h where id is not null),
    m(id) as (select min(batch_id) from ledger.audited_merchant union all
              select (select min(batch_id) from ledger.audited_merchant where batch_id > id) from m where id is not null)
select batch_id
from ledger.batch
where coalesce(applied_at, closed_at) is not null and batch_id in (
    select id from b union select id from c union select id from w union select id from p union select id from d
    union select id from h union select id from m
);

-- How far each feed has got. Two index look-ups a feed, however long it has run.
create or replace view ledger.feed_position as
select f.feed_id, f.feed,
       coalesce(c.chunk, 0) as landed,
       coalesce(b.last_chunk, 0) as applied,
       coalesce(c.byte_end, f.data_start) as position,
       coalesce(c.end_line, f.data_line) as line,
       (c.byte_end - c.byte_start)::float8 / nullif(c.landed_rows + c.rejected_rows, 0) as bytes_per_row,
       f.exhausted_size is not distinct from f.source_size as landed_to_end,
       f.started_at + coalesce(c.chunk, 0) * f.interval_seconds * interval '1 second' as next_due_at,
       b.applied_at as last_applied_at
from ledger.feed f
left join lateral (select * from ledger.chunk where feed_id = f.feed_id order by chunk desc limit 1) c on true
left join lateral (
    select last_chunk, applied_at from ledger.batch
    where feed_id = f.feed_id and applied_at is not null and purpose = 'apply'
    order by last_chunk desc limit 1
) b on true;
