-- Staging, and what an audit compares it with; applied after schema.sql, and like it idempotent. No row is needed once its batch has ended.

-- What a detection job found. Every execution of the job writes under a staging_id of its own and ends with its row in staged_batch
-- and its detections, so two executions of the same batch (a run forgotten by Databricks and started again) never mix.
create table if not exists ledger.staged_batch (
    batch_id   bigint      not null,
    staging_id text        not null,
    staged_at  timestamptz not null default now(),
    primary key (batch_id, staging_id)
);

-- Written at the same time as the detections: complete is what has as many of them. Null in rows that an older job has staged, which
-- wrote them before.
alter table ledger.staged_batch add column if not exists detections bigint;

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

-- The batch's first chunk with a transaction of the pair; 0 in rows that an older job has staged.
alter table ledger.staged_pair add column if not exists first_chunk integer not null default 0;
-- And the first that shows each gender; null: none does, or an older job has staged the row.
alter table ledger.staged_pair add column if not exists first_female integer;
alter table ledger.staged_pair add column if not exists first_male integer;

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

-- The numbers by which the rule holds; null in rows that an older job has staged.
alter table ledger.staged_detection add column if not exists evidence jsonb;

-- Of an audit: the detections whose rule holds at its last chunk.
create table if not exists ledger.staged_holding (like ledger.staged_detection including all);
alter table ledger.staged_holding add column if not exists evidence jsonb;

-- The state as an audit found it when it was opened: the feed goes on while the audit's job runs.
create table if not exists ledger.audited_merchant (
    batch_id     bigint not null references ledger.batch,
    merchant     text   collate "C" not null,
    transactions bigint not null,
    female       bigint not null,
    male         bigint not null,
    primary key (batch_id, merchant)
);

create table if not exists ledger.audited_pair (
    batch_id     bigint  not null references ledger.batch,
    merchant     text    collate "C" not null,
    customer     text    collate "C" not null,
    transactions bigint  not null,
    amount       numeric(24, 2) not null,
    seen_female  boolean not null,
    seen_male    boolean not null,
    primary key (batch_id, merchant, customer)
);
