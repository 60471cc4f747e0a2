-- The ledger: which feed, chunk, batch, detection and file exists, and how far each has got. It is the only truth.
-- Idempotent: the first task of a run applies it when the file has changed. Bytes and rows live in Blob Storage, never here.

create schema if not exists ledger;

-- Which text of this file has been applied: the last row.
create table if not exists ledger.applied_schema (
    applied_at timestamptz not null default now(),
    sha256     text        not null
);

-- One transactions file being processed, with its settings, its start and the Drive revision that it is pinned to.
create table if not exists ledger.feed (
    feed_id                  bigint generated always as identity primary key,
    feed                     text        not null unique check (feed ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    transactions_file_id     text        not null,
    importance_file_id       text        not null,
    followed                 boolean     not null default false, -- scheduled runs carry this feed on
    chunk_size               integer     not null check (chunk_size > 0),
    interval_seconds         numeric     not null check (interval_seconds >= 0),
    upgrade_percent          integer     not null check (upgrade_percent between 0 and 100),
    upgrade_min_transactions bigint      not null check (upgrade_min_transactions >= 0),
    weight_scope             text        not null check (weight_scope in ('customer_merchant', 'customer')),
    child_min_transactions   bigint      not null check (child_min_transactions >= 1),
    child_max_average        numeric     not null check (child_max_average >= 0),
    dei_min_female           bigint      not null check (dei_min_female >= 0),
    detections_per_file      integer     not null check (detections_per_file > 0),
    linger_seconds           numeric     not null check (linger_seconds >= 0),
    max_reject_percent       numeric     not null check (max_reject_percent between 0 and 100),
    started_at               timestamptz not null default now(),
    source_revision          text        not null,
    source_size              bigint      not null,
    source_md5               text        not null,
    header                   bytea       not null, -- the header line as it stands in the source, line end included, BOM not
    columns                  text[]      not null, -- its names, unquoted
    data_start               bigint      not null, -- offset of the first byte after the header line
    data_line                bigint      not null, -- line number of that byte, counted from 1
    exhausted_size           bigint,               -- size of the source at which landing found no row left
    checked_at               timestamptz not null default now(), -- when landing last looked for new rows
    importance_revision      text,                 -- null: CustomerImportance has not landed
    importance_sha256        text,
    weights_ready            boolean     not null default false,
    failures                 integer     not null default 0, -- failed runs since the last good one
    hold_until               timestamptz           -- scheduled runs leave the feed alone until then
);

create table if not exists ledger.chunk (
    feed_id       bigint      not null references ledger.feed,
    chunk         integer     not null check (chunk >= 1),
    byte_start    bigint      not null,
    byte_end      bigint      not null check (byte_end > byte_start),
    first_line    bigint      not null, -- line number in the source of the chunk's first line
    end_line      bigint      not null, -- line number after its last line
    landed_rows   integer     not null, -- rows in the blob
    rejected_rows integer     not null, -- rows kept apart in rejects_blob
    source_sha256 text        not null, -- of the source bytes [byte_start, byte_end)
    blob_name     text        not null,
    blob_sha256   text        not null, -- of the blob: header and landed rows
    rejects_blob  text,
    reject_reasons jsonb      not null default '{}', -- reason -> rows
    revision      text        not null, -- the Drive revision that the bytes were read from
    landed_at     timestamptz not null default now(),
    batch_id      bigint,               -- the batch that applied it; null: landed, not applied
    primary key (feed_id, chunk)
);

create index if not exists chunk_not_applied on ledger.chunk (feed_id, chunk) where batch_id is null;

-- The contiguous range of chunks that one detection job applies. `generation` is raised only after a recorded failure of
-- the job; feed, batch and generation make the idempotency token of its submission.
create table if not exists ledger.batch (
    batch_id    bigint generated always as identity primary key,
    feed_id     bigint      not null references ledger.feed,
    first_chunk integer     not null,
    last_chunk  integer     not null check (last_chunk >= first_chunk),
    generation  integer     not null default 1,
    last_error  text,
    opened_at   timestamptz not null default now(),
    applied_at  timestamptz
);

create unique index if not exists batch_open on ledger.batch (feed_id) where applied_at is null;
create unique index if not exists batch_applied on ledger.batch (feed_id, last_chunk) where applied_at is not null;

do $$
begin
    if not exists (select from pg_constraint where conname = 'chunk_batch_id_fkey' and conrelid = 'ledger.chunk'::regclass) then
        alter table ledger.chunk add foreign key (batch_id) references ledger.batch;
    end if;
end $$;

-- State: the running totals after the last applied chunk.
create table if not exists ledger.merchant_total (
    feed_id      bigint not null references ledger.feed,
    merchant     text   collate "C" not null,
    transactions bigint not null,
    female       bigint not null, -- customers seen as F and never as M
    male         bigint not null, -- customers seen as M and never as F
    primary key (feed_id, merchant)
);

create table if not exists ledger.pair_total (
    feed_id      bigint  not null references ledger.feed,
    merchant     text    collate "C" not null,
    customer     text    collate "C" not null,
    transactions bigint  not null,
    amount       numeric(24, 2) not null,
    seen_female  boolean not null,
    seen_male    boolean not null,
    primary key (feed_id, merchant, customer)
);

-- CustomerImportance, aggregated once. merchant is '' when the feed's weight_scope is `customer`.
create table if not exists ledger.weight (
    feed_id  bigint  not null references ledger.feed,
    merchant text    collate "C" not null,
    customer text    collate "C" not null,
    weight   numeric(38, 12) not null,
    primary key (feed_id, merchant, customer)
);

-- `ordinal` numbers a feed's detections in the order in which they are written to files.
create table if not exists ledger.detection (
    feed_id     bigint      not null references ledger.feed,
    pattern_id  text        collate "C" not null,
    merchant    text        collate "C" not null,
    customer    text        collate "C" not null, -- '' where the pattern is of a merchant alone
    action_type text        not null,
    chunk       integer     not null,
    ordinal     bigint      not null,
    batch_id    bigint      not null references ledger.batch,
    detected_at timestamptz not null,
    primary key (feed_id, pattern_id, merchant, customer),
    unique (feed_id, ordinal)
);

-- A file holds the detections with first_ordinal <= ordinal <= last_ordinal. Reserved first, uploaded, then confirmed.
create table if not exists ledger.detection_file (
    feed_id       bigint      not null references ledger.feed,
    file_number   integer     not null check (file_number >= 1),
    first_ordinal bigint      not null,
    last_ordinal  bigint      not null check (last_ordinal >= first_ordinal),
    blob_name     text        not null,
    reserved_at   timestamptz not null default now(),
    uploaded_at   timestamptz,
    blob_sha256   text,
    primary key (feed_id, file_number),
    unique (feed_id, first_ordinal)
);

-- Staging: what a detection job found. Every execution of the job writes under a staging_id of its own and ends with its
-- row in staged_batch, so two executions of the same batch (a run forgotten by Databricks and started again) never mix.
create table if not exists ledger.staged_batch (
    batch_id   bigint      not null,
    staging_id text        not null,
    staged_at  timestamptz not null default now(),
    primary key (batch_id, staging_id)
);

create table if not exists ledger.staged_chunk (
    batch_id     bigint  not null,
    staging_id   text    not null,
    chunk        integer not null,
    transactions bigint  not null, -- rows that the job counted
    primary key (batch_id, staging_id, chunk)
);

create table if not exists ledger.staged_weight (
    batch_id   bigint  not null,
    staging_id text    not null,
    merchant   text    collate "C" not null,
    customer   text    collate "C" not null,
    weight     numeric(38, 12) not null,
    primary key (batch_id, staging_id, merchant, customer)
);

create table if not exists ledger.staged_pair (
    batch_id     bigint  not null,
    staging_id   text    not null,
    merchant     text    collate "C" not null,
    customer     text    collate "C" not null,
    transactions bigint  not null,
    amount       numeric(24, 2) not null,
    seen_female  boolean not null,
    seen_male    boolean not null,
    primary key (batch_id, staging_id, merchant, customer)
);

create table if not exists ledger.staged_detection (
    batch_id   bigint  not null,
    staging_id text    not null,
    chunk      integer not null,
    pattern_id text    collate "C" not null,
    action_type text   not null,
    merchant   text    collate "C" not null,
    customer   text    collate "C" not null,
    primary key (batch_id, staging_id, pattern_id, merchant, customer)
);

-- What a job reads of the state: only the keys that it has staged. Spark pushes the filter on batch_id and staging_id down.
create or replace view ledger.touched_pair as
select s.batch_id, s.staging_id, p.merchant, p.customer, p.transactions, p.amount, p.seen_female, p.seen_male
from ledger.staged_pair s
join ledger.batch b on b.batch_id = s.batch_id
join ledger.pair_total p on p.feed_id = b.feed_id and p.merchant = s.merchant and p.customer = s.customer;

-- Every merchant of the batch with its totals before it: zeros for one not seen before.
create or replace view ledger.touched_merchant as
select s.batch_id, s.staging_id, s.merchant, s.batch_transactions,
       coalesce(m.transactions, 0) as transactions, coalesce(m.female, 0) as female, coalesce(m.male, 0) as male
from (
    select batch_id, staging_id, merchant, sum(transactions)::bigint as batch_transactions
    from ledger.staged_pair
    group by batch_id, staging_id, merchant
) s
join ledger.batch b on b.batch_id = s.batch_id
left join ledger.merchant_total m on m.feed_id = b.feed_id and m.merchant = s.merchant;

-- The customers to rank for PatId1: all that have a weight, of the merchants which the batch touches and which exceed the
-- feed's upgrade_min_transactions by the batch's end. `transactions` is their number before the batch.
create or replace view ledger.upgrade_pair as
with hot as (
    select t.batch_id, t.staging_id, t.merchant, b.feed_id
    from ledger.touched_merchant t
    join ledger.batch b on b.batch_id = t.batch_id
    join ledger.feed f on f.feed_id = b.feed_id
    where t.transactions + t.batch_transactions > f.upgrade_min_transactions
), seen as (
    select h.batch_id, h.staging_id, h.feed_id, p.merchant, p.customer, p.transactions
    from hot h
    join ledger.pair_total p on p.feed_id = h.feed_id and p.merchant = h.merchant
    union all
    select h.batch_id, h.staging_id, h.feed_id, s.merchant, s.customer, 0
    from hot h
    join ledger.staged_pair s on s.batch_id = h.batch_id and s.staging_id = h.staging_id and s.merchant = h.merchant
    where not exists (
        select from ledger.pair_total p where p.feed_id = h.feed_id and p.merchant = s.merchant and p.customer = s.customer
    )
)
select s.batch_id, s.staging_id, s.merchant, s.customer, s.transactions, coalesce(w.weight, sw.weight) as weight
from seen s
join ledger.feed f on f.feed_id = s.feed_id
left join ledger.weight w
    on w.feed_id = s.feed_id and w.customer = s.customer
    and w.merchant = case f.weight_scope when 'customer' then '' else s.merchant end
left join ledger.staged_weight sw
    on sw.batch_id = s.batch_id and sw.staging_id = s.staging_id and sw.customer = s.customer
    and sw.merchant = case f.weight_scope when 'customer' then '' else s.merchant end
where coalesce(w.weight, sw.weight) is not null;

-- The batches that can be committed now, each with the one staging to take: the first complete one.
create or replace view ledger.committable as
select distinct on (b.batch_id) b.batch_id, b.feed_id, b.first_chunk, b.last_chunk, s.staging_id
from ledger.batch b
join ledger.staged_batch s on s.batch_id = b.batch_id
where b.applied_at is null
order by b.batch_id, s.staged_at, s.staging_id;

-- How far each feed has got. Two index look-ups a feed, however long it has run.
create or replace view ledger.feed_position as
select f.feed_id, f.feed,
       coalesce(c.chunk, 0) as landed,
       coalesce(b.last_chunk, 0) as applied,
       coalesce(c.byte_end, f.data_start) as position,
       coalesce(c.end_line, f.data_line) as line,
       (c.byte_end - c.byte_start)::float8 / nullif(c.landed_rows + c.rejected_rows, 0) as bytes_per_row,
       f.exhausted_size is not distinct from f.source_size as landed_to_end,
       f.started_at + coalesce(c.chunk, 0) * f.interval_seconds * interval '1 second' as next_due_at
from ledger.feed f
left join lateral (select * from ledger.chunk where feed_id = f.feed_id order by chunk desc limit 1) c on true
left join lateral (
    select last_chunk from ledger.batch where feed_id = f.feed_id and applied_at is not null order by last_chunk desc limit 1
) b on true;

-- Refuse a batch whose staging does not fit the ledger. Called first by commit_batch.sql; locks the feed, so that of two commits
-- one waits, and then finds nothing to do.
create or replace function ledger.check_batch(asked bigint) returns text
language plpgsql as $$
declare
    b       ledger.batch;
    last    integer;
    staging text;
    wrong   record;
begin
    perform from ledger.feed f join ledger.batch using (feed_id) where batch_id = asked for update of f;
    select * into b from ledger.batch where batch_id = asked;
    if b.batch_id is null then
        raise exception 'batch % is not in the ledger', asked;
    end if;
    if b.applied_at is not null then
        return 'applied already';
    end if;
    select applied into last from ledger.feed_position where feed_id = b.feed_id;
    if b.first_chunk <> last + 1 then
        raise exception 'batch % starts at chunk %, but chunk % is the last one applied', asked, b.first_chunk, last;
    end if;
    select staging_id into staging from ledger.committable where batch_id = asked;
    if staging is null then
        raise exception 'batch % has no complete staging: its detection job did not finish', asked
            using hint = 'Clear detect_patterns to run the job again.';
    end if;
    select k as chunk, c.landed_rows, coalesce(s.transactions, 0) as transactions into wrong
    from generate_series(b.first_chunk, b.last_chunk) k
    left join ledger.chunk c on c.feed_id = b.feed_id and c.chunk = k
    left join ledger.staged_chunk s on s.batch_id = asked and s.staging_id = staging and s.chunk = k
    where c.landed_rows is distinct from coalesce(s.transactions, 0)
    order by k limit 1;
    if found then
        raise exception 'chunk %: landing counted % rows, the detection job %', wrong.chunk, wrong.landed_rows, wrong.transactions
            using hint = 'The landed blob is read differently by the two. Nothing was committed.';
    end if;
    return 'ok';
end $$;
