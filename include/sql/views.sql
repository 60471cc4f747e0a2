-- Views of the ledger; applied after schema.sql, and like it idempotent.

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

-- What a job reads of the state: only the keys that it has staged. Spark pushes the filter on batch_id and staging_id down.
-- Rows staged a moment ago have no statistics: PostgreSQL takes them for one row, and would compare every key with every other.
-- `lateral ... limit 1` and `offset 0` make each of these a look-up in a primary key, whatever it thinks of the sizes.
create or replace view ledger.touched_pair as
select s.batch_id, s.staging_id, s.merchant, s.customer, p.transactions, p.amount, p.seen_female, p.seen_male
from ledger.staged_pair s
join ledger.batch_rules b on b.batch_id = s.batch_id
cross join lateral (
    select * from ledger.pair_total p
    where p.feed_id = b.state_feed_id and p.merchant = s.merchant and p.customer = s.customer
    limit 1
) p;

-- Every merchant of the batch with its totals before it: zeros for one not seen before.
create or replace view ledger.touched_merchant as
select s.batch_id, s.staging_id, s.merchant, s.batch_transactions,
       coalesce(m.transactions, 0) as transactions, coalesce(m.female, 0) as female, coalesce(m.male, 0) as male
from (
    select batch_id, staging_id, merchant, sum(transactions)::bigint as batch_transactions
    from ledger.staged_pair
    group by batch_id, staging_id, merchant
) s
join ledger.batch_rules b on b.batch_id = s.batch_id
left join ledger.merchant_total m on m.feed_id = b.state_feed_id and m.merchant = s.merchant;

-- The customers to rank for PatId1: all that have a weight, of the merchants which the batch touches and which exceed
-- upgrade_min_transactions by the batch's end. `transactions` is their number before the batch.
create or replace view ledger.upgrade_pair as
with hot as (
    select t.batch_id, t.staging_id, t.merchant, b.state_feed_id,
           case b.weight_scope when 'customer' then '' else t.merchant end as weight_merchant
    from ledger.touched_merchant t
    join ledger.batch_rules b on b.batch_id = t.batch_id
    where t.transactions + t.batch_transactions > b.upgrade_min_transactions
), seen as (
    select h.batch_id, h.staging_id, h.state_feed_id, h.weight_merchant, h.merchant, p.customer, p.transactions
    from hot h
    cross join lateral (
        select customer, transactions from ledger.pair_total
        where feed_id = h.state_feed_id and merchant = h.merchant
        offset 0
    ) p
    union all
    select h.batch_id, h.staging_id, h.state_feed_id, h.weight_merchant, h.merchant, s.customer, 0
    from hot h
    cross join lateral (
        select customer from ledger.staged_pair
        where batch_id = h.batch_id and staging_id = h.staging_id and merchant = h.merchant
        offset 0
    ) s
    left join lateral (
        select true as known from ledger.pair_total
        where feed_id = h.state_feed_id and merchant = h.merchant and customer = s.customer
        limit 1
    ) p on true
    where p.known is null
)
select s.batch_id, s.staging_id, s.merchant, s.customer, s.transactions, w.weight
from seen s
cross join lateral (
    select weight from ledger.weight
    where feed_id = s.state_feed_id and merchant = s.weight_merchant and customer = s.customer
    union all
    select weight from ledger.staged_weight
    where batch_id = s.batch_id and staging_id = s.staging_id and merchant = s.weight_merchant and customer = s.customer
    limit 1
) w;

-- The open batches whose job has finished, each with the one staging to take: the first complete one.
create or replace view ledger.staged as
select distinct on (b.batch_id) b.batch_id, b.feed_id, b.purpose, b.first_chunk, b.last_chunk, s.staging_id
from ledger.batch b
join ledger.staged_batch s on s.batch_id = b.batch_id
where b.applied_at is null and b.closed_at is null
order by b.batch_id, s.staged_at, s.staging_id;

-- Those that can be committed now.
drop view if exists ledger.committable;
create view ledger.committable as
select batch_id, feed_id, purpose, first_chunk, last_chunk, staging_id from ledger.staged where purpose <> 'audit';

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
