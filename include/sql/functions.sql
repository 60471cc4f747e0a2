-- The functions of the ledger: what the commit of a batch needs beyond plain statements. Applied after views.sql, and idempotent.

-- Refuse a batch whose staging does not fit the ledger, and choose the staging. Called first by commit_batch.sql; locks the feed, so
-- that of two commits one waits, and then finds nothing to do.
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
    if b.purpose = 'audit' or b.closed_at is not null then
        raise exception 'batch % is not to be applied: it was given up, or is an audit', asked
            using hint = 'Clear land_chunks and what follows it, or trigger a new run.';
    end if;
    select applied into last from ledger.feed_position where feed_id = b.feed_id;
    if b.purpose = 'apply' and b.first_chunk <> last + 1 then
        raise exception 'batch % starts at chunk %, but chunk % is the last one applied', asked, b.first_chunk, last;
    end if;
    if b.purpose = 'rebuild' and b.last_chunk <> last then
        raise exception 'batch % rebuilds up to chunk %, but chunk % is the last one applied', asked, b.last_chunk, last
            using hint = 'Trigger the rebuild again.';
    end if;
    select staging_id into staging from ledger.staged where batch_id = asked;
    if staging is null then
        raise exception 'batch % has no complete staging: its detection job did not finish', asked
            using hint = 'The next run of the DAG starts the job again.';
    end if;
    update ledger.batch set staging_id = staging where batch_id = asked;
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

-- What a rebuild does to the feed's detections. Does nothing for other batches. Called by commit_batch.sql.
-- A detection that is in a file stays as it is there: one that the rebuild does not find is withdrawn, one found at another chunk is
-- moved. Those that still wait for a file become exactly what the rebuild finds, in its order.
create or replace function ledger.rebuild_detections(asked bigint) returns void
language plpgsql as $$
declare
    r        ledger.committable;
    reserved bigint;
begin
    select * into r from ledger.committable where batch_id = asked and purpose = 'rebuild';
    if r.batch_id is null then
        return;
    end if;
    select coalesce(max(last_ordinal), 0) into reserved from ledger.detection_file where feed_id = r.feed_id;

    insert into ledger.rebuild_change (batch_id, change, pattern_id, merchant, customer, chunk_before, chunk_after, exported)
    select asked,
           case when d.chunk is null or d.withdrawn_by is not null then 'added' when s.chunk is null then 'gone' else 'moved' end,
           pattern_id, merchant, customer,
           case when d.withdrawn_by is null then d.chunk end, s.chunk, coalesce(d.ordinal <= reserved, false)
    from (select * from ledger.detection where feed_id = r.feed_id) d
    full join (select * from ledger.staged_detection where batch_id = asked and staging_id = r.staging_id) s
        using (pattern_id, merchant, customer)
    where case when d.withdrawn_by is null then d.chunk end is distinct from s.chunk;

    -- Ordinals below zero are on their way: to be numbered anew, behind what is in files.
    delete from ledger.detection d
    where d.feed_id = r.feed_id and d.ordinal > reserved and not exists (
        select from ledger.staged_detection s
        where s.batch_id = asked and s.staging_id = r.staging_id
          and s.pattern_id = d.pattern_id and s.merchant = d.merchant and s.customer = d.customer
    );
    update ledger.detection set ordinal = -ordinal where feed_id = r.feed_id and ordinal > reserved;
    update ledger.detection set withdrawn_by = asked where feed_id = r.feed_id and withdrawn_by is null;
    update ledger.detection set still_holds = null, audited_chunk = null where feed_id = r.feed_id and audited_chunk is not null;
    update ledger.detection d set withdrawn_by = null, chunk = s.chunk, evidence = s.evidence
    from ledger.staged_detection s
    where s.batch_id = asked and s.staging_id = r.staging_id
      and d.feed_id = r.feed_id and d.pattern_id = s.pattern_id and d.merchant = s.merchant and d.customer = s.customer;
    insert into ledger.detection (feed_id, pattern_id, merchant, customer, action_type, chunk, ordinal, batch_id, detected_at, evidence)
    select r.feed_id, s.pattern_id, s.merchant, s.customer, s.action_type, s.chunk,
           (select least(0, min(ordinal)) from ledger.detection where feed_id = r.feed_id) - row_number() over (), asked, now(), s.evidence
    from ledger.staged_detection s
    where s.batch_id = asked and s.staging_id = r.staging_id
    on conflict (feed_id, pattern_id, merchant, customer) do nothing;
    update ledger.detection d set ordinal = reserved + n.place
    from (
        select pattern_id, merchant, customer, row_number() over (order by chunk, pattern_id, merchant, customer) as place
        from ledger.detection where feed_id = r.feed_id and ordinal < 0
    ) n
    where d.feed_id = r.feed_id and d.pattern_id = n.pattern_id and d.merchant = n.merchant and d.customer = n.customer;
end $$;

-- Make what PatId1 ranks anew from a feed's totals and weights.
create or replace function ledger.rank_feed(asked bigint) returns void
language sql as $$
    select from ledger.feed where feed_id = asked for update;
    update ledger.pair_total p set weight = n.weight
    from (
        select k.merchant, k.customer, w.weight
        from ledger.pair_total k
        join ledger.feed f using (feed_id)
        left join ledger.weight w on w.feed_id = asked and w.customer = k.customer
            and w.merchant = case f.weight_scope when 'customer' then '' else k.merchant end
        where k.feed_id = asked
    ) n
    where p.feed_id = asked and p.merchant = n.merchant and p.customer = n.customer and p.weight is distinct from n.weight;
    delete from ledger.ranked_total where feed_id = asked;
    insert into ledger.ranked_total (feed_id, merchant, transactions, customers)
    select asked, merchant, transactions, count(*) from ledger.pair_total
    where feed_id = asked and weight is not null
    group by merchant, transactions;
$$;

-- Feeds that were begun before their totals were ranked.
select ledger.rank_feed(feed_id) from ledger.feed f
where f.weights_ready and exists (select from ledger.pair_total where feed_id = f.feed_id)
  and not exists (select from ledger.ranked_total where feed_id = f.feed_id);
