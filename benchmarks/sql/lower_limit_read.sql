-- Lower limit (DuckDB): read both files, and make the empty state.
create table rows as
select (row_number() over () - 1) // $chunk_rows + 1 as chunk, trim(customer, ' ''') as customer, trim(merchant, ' ''') as merchant,
       upper(trim(gender, ' ''')) as gender, (amount::decimal(15, 2) * 100)::bigint as cents
from read_csv($transactions, header = true, all_varchar = true, quote = '');

-- Exact sums, divided once: equal means are equal doubles.
create table weight as
select trim(Target, ' ''') as merchant, trim(Source, ' ''') as customer,
       sum((Weight::decimal(18, 6) * 1000000)::hugeint)::double / count(*) as weight
from read_csv($importance, header = true, all_varchar = true, quote = '')
group by all;

create table pair (merchant varchar, customer varchar, transactions bigint, cents bigint, female boolean, male boolean,
                   primary key (merchant, customer));

create table merchant (merchant varchar primary key, transactions bigint);

create table found (pattern varchar, merchant varchar, customer varchar, chunk bigint, primary key (pattern, merchant, customer));
