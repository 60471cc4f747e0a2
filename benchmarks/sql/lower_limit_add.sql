-- Lower limit (DuckDB): add chunks to the state, and note what they touch.
create or replace temp table touched as
select merchant, customer, count(*) as transactions, sum(cents)::bigint as cents,
       bool_or(gender = 'F') as female, bool_or(gender = 'M') as male
from rows where chunk between $first and $last group by all;

insert into pair select * from touched
on conflict do update set
    transactions = transactions + excluded.transactions, cents = cents + excluded.cents,
    female = female or excluded.female, male = male or excluded.male;

insert into merchant select merchant, sum(transactions) from touched group by all
on conflict do update set transactions = transactions + excluded.transactions;
