-- Apply one batch: all of it or nothing, in one transaction. A batch that is applied already is left as it is: every statement
-- works on ledger.committable, which lists only what check_batch lets pass.

select ledger.check_batch(%(batch_id)s);

-- Look-ups by index. For a state of a few pages PostgreSQL would read it from end to end for each pair, also when the batch makes it a
-- large one within the same statement: the time would grow with the square of the pairs.
set local enable_seqscan = off;

-- A rebuild puts what it found in the place of what there was, by its own rules from now on.
delete from ledger.weight t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;
delete from ledger.merchant_total t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;
delete from ledger.pair_total t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;
delete from ledger.ranked_total t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;

update ledger.feed f set
    upgrade_percent = r.upgrade_percent,
    upgrade_min_transactions = r.upgrade_min_transactions,
    weight_scope = r.weight_scope,
    child_min_transactions = r.child_min_transactions,
    child_max_average = r.child_max_average,
    dei_min_female = r.dei_min_female
from ledger.committable c
join ledger.batch_rules r using (batch_id)
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and f.feed_id = c.feed_id;

-- An audit that was opened before has nothing left to compare with.
update ledger.batch a set closed_at = now(), last_error = 'the feed was rebuilt while it was audited: trigger the audit again'
from ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild'
  and a.feed_id = c.feed_id and a.purpose = 'audit' and a.applied_at is null and a.closed_at is null; -- as the index has it

insert into ledger.weight (feed_id, merchant, customer, weight)
select c.feed_id, s.merchant, s.customer, s.weight
from ledger.committable c
join ledger.staged_weight s using (batch_id, staging_id)
where c.batch_id = %(batch_id)s
on conflict (feed_id, merchant, customer) do nothing;

update ledger.feed f set weights_ready = true
from ledger.committable c
where c.batch_id = %(batch_id)s and f.feed_id = c.feed_id and not f.weights_ready;

-- All of it reads the state as it was before this statement: one look-up a pair serves all. Nobody else changes the feed's state
-- meanwhile: check_batch has locked the feed.
with change as materialized (
    select c.feed_id, s.merchant, s.customer, s.transactions, s.amount, s.seen_female, s.seen_male,
           p.found_at,
           coalesce(p.transactions, 0) as transactions_before,
           coalesce(p.seen_female, false) as female_before,
           coalesce(p.seen_male, false) as male_before,
           coalesce(p.weight, w.weight) as weight
    from ledger.committable c
    join ledger.batch_rules r using (batch_id)
    -- In the order of the keys: neighbours are looked up and written one after the other.
    cross join lateral (
        select * from ledger.staged_pair where batch_id = c.batch_id and staging_id = c.staging_id order by merchant, customer
    ) s
    left join lateral (
        select *, ctid as found_at from ledger.pair_total
        where feed_id = c.feed_id and merchant = s.merchant and customer = s.customer
        limit 1
    ) p on true
    left join lateral (
        select weight from ledger.weight
        where p.customer is null and feed_id = c.feed_id and customer = s.customer
          and merchant = case r.weight_scope when 'customer' then '' else s.merchant end
        limit 1
    ) w on true
    where c.batch_id = %(batch_id)s
), merchants as (
    insert into ledger.merchant_total as m (feed_id, merchant, transactions, female, male)
    select feed_id, merchant, sum(transactions),
           sum(((seen_female or female_before) and not (seen_male or male_before))::int - (female_before and not male_before)::int),
           sum(((seen_male or male_before) and not (seen_female or female_before))::int - (male_before and not female_before)::int)
    from change
    group by feed_id, merchant
    on conflict (feed_id, merchant) do update set
        transactions = m.transactions + excluded.transactions,
        female = m.female + excluded.female,
        male = m.male + excluded.male
), ranks as (
    insert into ledger.ranked_total as t (feed_id, merchant, transactions, customers)
    select feed_id, merchant, place.transactions, sum(place.customers)
    from change
    cross join lateral (values (transactions_before, -1), (transactions_before + transactions, 1)) place (transactions, customers)
    where weight is not null and place.transactions > 0 -- a new customer leaves no place
    group by feed_id, merchant, place.transactions
    having sum(place.customers) <> 0
    on conflict (feed_id, merchant, transactions) do update set customers = t.customers + excluded.customers
), known as ( -- where it was found: no second look-up
    update ledger.pair_total p set
        transactions = p.transactions + c.transactions,
        amount = p.amount + c.amount,
        seen_female = p.seen_female or c.seen_female,
        seen_male = p.seen_male or c.seen_male
    from change c
    where p.ctid = c.found_at
)
insert into ledger.pair_total (feed_id, merchant, customer, transactions, amount, seen_female, seen_male, weight)
select feed_id, merchant, customer, transactions, amount, seen_female, seen_male, weight
from change
where found_at is null;

delete from ledger.ranked_total t using ledger.committable c
where c.batch_id = %(batch_id)s and t.feed_id = c.feed_id and t.customers = 0;

-- Emitted once, ever: what an earlier batch has detected is left out.
insert into ledger.detection (feed_id, pattern_id, merchant, customer, action_type, chunk, ordinal, batch_id, detected_at, evidence)
select c.feed_id, d.pattern_id, d.merchant, d.customer, d.action_type, d.chunk,
       o.last + row_number() over (order by d.chunk, d.pattern_id, d.merchant, d.customer),
       c.batch_id, now(), d.evidence
from ledger.committable c
cross join lateral (select coalesce(max(ordinal), 0) as last from ledger.detection where feed_id = c.feed_id) o
join ledger.staged_detection d using (batch_id, staging_id)
left join lateral ( -- a look-up for each row, whatever PostgreSQL takes the sizes for
    select true as known from ledger.detection
    where feed_id = c.feed_id and pattern_id = d.pattern_id and merchant = d.merchant and customer = d.customer
    limit 1
) k on true
where c.batch_id = %(batch_id)s and c.purpose = 'apply' and k.known is null;

-- Found again, by the rules that a rebuild had withdrawn it under.
update ledger.detection e set withdrawn_by = null, chunk = d.chunk, evidence = d.evidence
from ledger.committable c
join ledger.staged_detection d using (batch_id, staging_id)
where c.batch_id = %(batch_id)s and c.purpose = 'apply' and e.feed_id = c.feed_id and e.withdrawn_by is not null
  and e.pattern_id = d.pattern_id and e.merchant = d.merchant and e.customer = d.customer;

select ledger.rebuild_detections(%(batch_id)s);

update ledger.chunk k set batch_id = c.batch_id
from ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'apply' and k.feed_id = c.feed_id and k.chunk between c.first_chunk and c.last_chunk;

update ledger.batch b set applied_at = now(), last_error = null, staged_at = s.staged_at
from ledger.committable c
join ledger.staged_batch s using (batch_id, staging_id)
where c.batch_id = %(batch_id)s and b.batch_id = c.batch_id;

delete from ledger.staged_batch where batch_id = %(batch_id)s;
delete from ledger.staged_chunk where batch_id = %(batch_id)s;
delete from ledger.staged_weight where batch_id = %(batch_id)s;
delete from ledger.staged_pair where batch_id = %(batch_id)s;
delete from ledger.staged_detection where batch_id = %(batch_id)s;
