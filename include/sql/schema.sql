-- The ledger: which feed, chunk, batch, detection and file exists, and how far each has got. It is the only truth.
-- Idempotent: the first task of a run applies it, staging.sql, views.sql, functions.sql and grants.sql, as their owner, when one of them
-- has changed.

create schema if not exists ledger;

-- Which text of the five files has been applied: the last row.
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
    weights_ready            boolean     not null default false,
    failures                 integer     not null default 0, -- failed runs since the last good one
    hold_until               timestamptz           -- scheduled runs leave the feed alone until then
);

-- A range that a run asked for: scheduled runs apply what is left of it up to chunk backfill_to, backfill_chunks at a time (null: all).
alter table ledger.feed add column if not exists backfill_to integer;
alter table ledger.feed add column if not exists backfill_chunks integer check (backfill_chunks > 0);

-- CustomerImportance as it has landed: every part begins with its header.
create table if not exists ledger.importance_part (
    feed_id     bigint  not null references ledger.feed,
    part        integer not null check (part >= 1),
    blob_name   text    not null,
    blob_sha256 text    not null,
    primary key (feed_id, part)
);

do $$
begin -- feeds that were begun when it landed as one blob
    if exists (select from pg_attribute where attrelid = 'ledger.feed'::regclass and attname = 'importance_sha256' and not attisdropped) then
        insert into ledger.importance_part (feed_id, part, blob_name, blob_sha256)
        select feed_id, 1, 'importance/' || feed || '/CustomerImportance.csv', importance_sha256
        from ledger.feed where importance_sha256 is not null;
        alter table ledger.feed drop column importance_sha256;
    end if;
end $$;

create table if not exists ledger.chunk (
    feed_id       bigint      not null references ledger.feed,
    chunk         integer     not null check (chunk >= 1),
    byte_start    bigint      not null,
    byte_end      bigint      not null check (byte_end > byte_start),
    first_line    bigint      not null, -- number of the line in the source that byte_start is on
    end_line      bigint      not null, -- and byte_end
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

alter table ledger.chunk add column if not exists rejects_sha256 text; -- of rejects_blob; null in rows that are older than it
alter table ledger.chunk add column if not exists run_id text; -- the Airflow run that landed it; null in rows that are older than it

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

-- What a batch is for. `apply` adds its chunks to the state. `rebuild` and `audit` start from nothing and take every chunk up to
-- last_chunk: the first replaces the state by what it finds, the second compares the two. `rules` are what a rebuild changes.
alter table ledger.batch add column if not exists purpose text not null default 'apply'
    check (purpose in ('apply', 'rebuild', 'audit'));
alter table ledger.batch add column if not exists rules jsonb not null default '{}';
alter table ledger.batch add column if not exists closed_at timestamptz; -- given up, or an audit that has been compared

-- What people ask of a batch; nothing is decided by it. Null in rows that are older than these columns.
alter table ledger.batch add column if not exists run_id text;             -- the Airflow run that opened it, or took it up when it was open
alter table ledger.batch add column if not exists staged_at timestamptz;   -- when its job had staged what was committed
alter table ledger.batch add column if not exists exported_at timestamptz; -- when all was written that was due once it was applied

-- Which staging its commit took: chosen once, at its start.
alter table ledger.batch add column if not exists staging_id text;

-- Open is what is neither applied nor closed: one batch a feed that will change the state, and one audit beside it.
drop index if exists ledger.batch_open;
drop index if exists ledger.batch_applied;
create unique index if not exists batch_one_open on ledger.batch (feed_id, (purpose = 'audit'))
    where applied_at is null and closed_at is null;
create unique index if not exists batch_last_applied on ledger.batch (feed_id, last_chunk)
    where applied_at is not null and purpose = 'apply';
create index if not exists batch_not_exported on ledger.batch (feed_id) where staged_at is not null and exported_at is null;

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
    feed_id      bigint  not null,
    merchant     text    collate "C" not null,
    customer     text    collate "C" not null,
    transactions bigint  not null,
    amount       numeric(24, 2) not null,
    seen_female  boolean not null,
    seen_male    boolean not null,
    primary key (feed_id, merchant, customer)
);

-- No reference to the feed: it would be checked for each new row, and there are millions. The merchant's row has one.
alter table ledger.pair_total drop constraint if exists pair_total_feed_id_fkey;
-- Room for a row's next version in its page: an update then leaves the indexes alone. A large batch changes most rows of a page.
alter table ledger.pair_total set (fillfactor = 50);
-- Of the customer with the merchant, copied here when the pair is first seen; null: none. What PatId1 ranks, found in its order.
alter table ledger.pair_total add column if not exists weight numeric(38, 12);
create index if not exists pair_total_weight on ledger.pair_total (feed_id, merchant, weight) where weight is not null;

-- How many customers with a weight have made so many transactions with the merchant: PatId1 ranks these few rows, not the customers.
create table if not exists ledger.ranked_total (
    feed_id      bigint not null references ledger.feed,
    merchant     text   collate "C" not null,
    transactions bigint not null,
    customers    bigint not null,
    primary key (feed_id, merchant, transactions)
);
create index if not exists ranked_total_none_left on ledger.ranked_total (feed_id) where customers = 0;

-- CustomerImportance, aggregated once. merchant is '' when the feed's weight_scope is `customer`.
create table if not exists ledger.weight (
    feed_id  bigint  not null,
    merchant text    collate "C" not null,
    customer text    collate "C" not null,
    weight   numeric(38, 12) not null,
    primary key (feed_id, merchant, customer)
);
-- As of pair_total: commit_batch.sql takes the feed from the batch, which has a reference.
alter table ledger.weight drop constraint if exists weight_feed_id_fkey;

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

-- A detection is an event, and stays. Whether its rule held at the last chunk of the last audit, and which chunk that was.
alter table ledger.detection add column if not exists still_holds boolean;
alter table ledger.detection add column if not exists audited_chunk integer;
-- A rebuild did not find it, and it was in a file already; null: it is what the feed's rules find.
alter table ledger.detection add column if not exists withdrawn_by bigint references ledger.batch;
-- The numbers by which its rule held at `chunk`, for people; null in rows that are older than it.
alter table ledger.detection add column if not exists evidence jsonb;
-- What the page "Transaction patterns" sorts, filters and counts by; as many rows a batch as it has detections, which are few.
drop index if exists ledger.detection_found;
create index if not exists detection_chunk on ledger.detection (feed_id, chunk, ordinal) include (pattern_id, withdrawn_by);
create index if not exists detection_merchant on ledger.detection (feed_id, merchant, customer, pattern_id);
create index if not exists detection_customer on ledger.detection (feed_id, customer, merchant, pattern_id);

-- What a rebuild changed: `added`, `gone`, `moved` to another chunk.
create table if not exists ledger.rebuild_change (
    batch_id     bigint not null references ledger.batch,
    change       text   not null check (change in ('added', 'gone', 'moved')),
    pattern_id   text   collate "C" not null,
    merchant     text   collate "C" not null,
    customer     text   collate "C" not null,
    chunk_before integer,
    chunk_after  integer,
    exported     boolean not null, -- it was in a detection file before
    primary key (batch_id, pattern_id, merchant, customer)
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

create index if not exists detection_file_unconfirmed on ledger.detection_file (feed_id, file_number) where uploaded_at is null;
