-- Lower limit (DuckDB): evaluate the three rules at a boundary, where what was added last may have changed something.
insert into found
select 'PatId2', p.merchant, p.customer, $last from pair p semi join touched using (merchant, customer)
where p.transactions >= 80 and p.cents < 2300 * p.transactions
on conflict do nothing;

insert into found
select 'PatId3', merchant, '', $last from pair semi join touched using (merchant)
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
select 'PatId1', merchant, customer, $last from ranked
where 100 * (by_transactions - 1) <= 10 * (customers - 1) and 100 * (by_weight - 1) <= 10 * (customers - 1)
on conflict do nothing;
