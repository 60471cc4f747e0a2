-- Lower limit (DuckDB): add one chunk to the state, then evaluate the three rules where the chunk may have changed something.
create or replace temp table touched as
select merchant, customer, count(*) as transactions, sum(cents)::bigint as cents,
       bool_or(gender = 'F') as female, bool_or(gender = 'M') as male
from rows where chunk = $chunk group by all;

insert into pair select * from touched
on conflict do update set
    transactions = transactions + excluded.transactions, cents = cents + excluded.cents,
    female = female or excluded.female, male = male or excluded.male;

insert into merchant select merchant, sum(transactions) from touched group by all
on conflict do update set transactions = transactions + excluded.transactions;

insert into found
select 'PatId2', p.merchant, p.customer, $chunk from pair p semi join touched using (merchant, customer)
where p.transactions >= 80 and p.cents < 2300 * p.transactions
on conflict do nothing;

insert into found
select 'PatId3', merchant, '', $chunk from pair semi join touched using (merchant)
group by merchant
having count(*) filter (female and not male) > 100 and count(*) filter (female and not male) < count(*) filter (male and not female)
on conflict do nothing;

insert into found
with ranked as (
    select p.merchant, p.customer,
           rank() over (partition by p.merchant order by p.transactions desc) as by_transactions,
           rank() over (partition by p.merchant order by w.weight) as by_weight,
           count(*) over (partition by p.merchant) as customers
    from pair p
    join weight w using (merchant, customer)
    where p.merchant in (select merchant from merchant semi join touched using (merchant) where transactions > 50000)
)
select 'PatId1', merchant, customer, $chunk from ranked
where 100 * (by_transactions - 1) <= 10 * (customers - 1) and 100 * (by_weight - 1) <= 10 * (customers - 1)
on conflict do nothing;
