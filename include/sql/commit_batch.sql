-- Apply one batch: all of it or nothing, in one transaction. A batch that is applied already is left as it is: every statement
-- works on ledger.committable, which no longer lists it.

select ledger.check_batch(%(batch_id)s);

-- A rebuild puts what it found in the place of what there was, by its own rules from now on.
delete from ledger.weight t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;
delete from ledger.merchant_total t using ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'rebuild' and t.feed_id = c.feed_id;
delete from ledger.pair_total t using ledger.committable c
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
  and a.feed_id = c.feed_id and a.purpose = 'audit' and a.closed_at is null;

insert into ledger.weight (feed_id, merchant, customer, weight)
select c.feed_id, s.merchant, s.customer, s.weight
from ledger.committable c
join ledger.staged_weight s using (batch_id, staging_id)
where c.batch_id = %(batch_id)s
on conflict (feed_id, merchant, customer) do nothing;

update ledger.feed f set weights_ready = true
from ledger.committable c
where c.batch_id = %(batch_id)s and f.feed_id = c.feed_id and not f.weights_ready;

-- Before pair_total, whose old flags say which customers change their gender count.
insert into ledger.merchant_total as m (feed_id, merchant, transactions, female, male)
select c.feed_id, s.merchant, sum(s.transactions),
       sum(((s.seen_female or coalesce(p.seen_female, false)) and not (s.seen_male or coalesce(p.seen_male, false)))::int
           - coalesce(p.seen_female and not p.seen_male, false)::int),
       sum(((s.seen_male or coalesce(p.seen_male, false)) and not (s.seen_female or coalesce(p.seen_female, false)))::int
           - coalesce(p.seen_male and not p.seen_female, false)::int)
from ledger.committable c
join ledger.staged_pair s using (batch_id, staging_id)
left join ledger.pair_total p on p.feed_id = c.feed_id and p.merchant = s.merchant and p.customer = s.customer
where c.batch_id = %(batch_id)s
group by c.feed_id, s.merchant
on conflict (feed_id, merchant) do update set
    transactions = m.transactions + excluded.transactions,
    female = m.female + excluded.female,
    male = m.male + excluded.male;

insert into ledger.pair_total as p (feed_id, merchant, customer, transactions, amount, seen_female, seen_male)
select c.feed_id, s.merchant, s.customer, s.transactions, s.amount, s.seen_female, s.seen_male
from ledger.committable c
join ledger.staged_pair s using (batch_id, staging_id)
where c.batch_id = %(batch_id)s
on conflict (feed_id, merchant, customer) do update set
    transactions = p.transactions + excluded.transactions,
    amount = p.amount + excluded.amount,
    seen_female = p.seen_female or excluded.seen_female,
    seen_male = p.seen_male or excluded.seen_male;

-- Emitted once, ever: what an earlier batch has detected is left out.
insert into ledger.detection (feed_id, pattern_id, merchant, customer, action_type, chunk, ordinal, batch_id, detected_at)
select c.feed_id, d.pattern_id, d.merchant, d.customer, d.action_type, d.chunk,
       (select coalesce(max(ordinal), 0) from ledger.detection where feed_id = c.feed_id)
           + row_number() over (order by d.chunk, d.pattern_id, d.merchant, d.customer),
       c.batch_id, now()
from ledger.committable c
join ledger.staged_detection d using (batch_id, staging_id)
where c.batch_id = %(batch_id)s and c.purpose = 'apply'
  and not exists (
    select from ledger.detection e
    where e.feed_id = c.feed_id and e.pattern_id = d.pattern_id and e.merchant = d.merchant and e.customer = d.customer
  );

-- Found again, by the rules that a rebuild had withdrawn it under.
update ledger.detection e set withdrawn_by = null, chunk = d.chunk
from ledger.committable c
join ledger.staged_detection d using (batch_id, staging_id)
where c.batch_id = %(batch_id)s and c.purpose = 'apply' and e.feed_id = c.feed_id and e.withdrawn_by is not null
  and e.pattern_id = d.pattern_id and e.merchant = d.merchant and e.customer = d.customer;

select ledger.rebuild_detections(%(batch_id)s);

update ledger.chunk k set batch_id = c.batch_id
from ledger.committable c
where c.batch_id = %(batch_id)s and c.purpose = 'apply' and k.feed_id = c.feed_id and k.chunk between c.first_chunk and c.last_chunk;

update ledger.batch set applied_at = now(), last_error = null
where batch_id = %(batch_id)s and applied_at is null;

delete from ledger.staged_batch where batch_id = %(batch_id)s;
delete from ledger.staged_chunk where batch_id = %(batch_id)s;
delete from ledger.staged_weight where batch_id = %(batch_id)s;
delete from ledger.staged_pair where batch_id = %(batch_id)s;
delete from ledger.staged_detection where batch_id = %(batch_id)s;
