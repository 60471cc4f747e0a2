-- A ledger as the pages of the UI may meet it: %(chunks)s chunks, all applied, and %(detections)s detections, all in files of 50.
insert into ledger.feed (feed, transactions_file_id, importance_file_id, chunk_size, interval_seconds, upgrade_percent,
    upgrade_min_transactions, weight_scope, child_min_transactions, child_max_average, dei_min_female, detections_per_file,
    linger_seconds, max_reject_percent, source_revision, source_size, source_md5, header, columns, data_start, data_line,
    exhausted_size, weights_ready, started_at)
values ('pages', 't', 'i', 10000, 1, 10, 50000, 'customer_merchant', 80, 23, 100, 50, 60, 1, 'r', 8000000000, 'm', 'h', '{customer}',
    0, 2, 8000000000, true, now() - interval '1 day');

insert into ledger.batch (feed_id, first_chunk, last_chunk, run_id, opened_at, staged_at, applied_at, exported_at)
select 1, 5 * b - 4, 5 * b, 'asset_triggered__' || b, f.started_at + b * interval '5 s', f.started_at + b * interval '5 s' + interval '3 s',
       f.started_at + b * interval '5 s' + interval '4 s', f.started_at + b * interval '5 s' + interval '5 s'
from generate_series(1, %(chunks)s / 5) b, ledger.feed f;

insert into ledger.chunk (feed_id, chunk, byte_start, byte_end, first_line, end_line, landed_rows, rejected_rows, source_sha256,
    blob_name, blob_sha256, revision, landed_at, batch_id)
select 1, c, (c - 1) * 800000::bigint, c * 800000::bigint, c * 10000, (c + 1) * 10000, 10000, 0, md5(c::text), 'chunks/pages/' || c, md5(c::text), 'r',
       f.started_at + c * interval '1 s', (c - 1) / 5 + 1
from generate_series(1, %(chunks)s) c, ledger.feed f;

insert into ledger.merchant_total
select 1, 'M' || m, 100000 + m, 500 + m, 400 + m from generate_series(1, 5000) m;

-- Customers and merchants are spread by multiplication with numbers that have no factor in common with their count.
insert into ledger.detection (feed_id, pattern_id, merchant, customer, action_type, chunk, ordinal, batch_id, detected_at, evidence)
select 1, case when n %% 10 < 4 then 'PatId1' else 'PatId2' end, 'M' || (n::bigint * 7919 %% 5000 + 1),
       'C' || (n / 5000 * 1009 + n::bigint * 31 %% 5000), case when n %% 10 < 4 then 'UPGRADE' else 'CHILD' end,
       n::bigint * %(chunks)s / %(detections)s + 1, n + 1, (n::bigint * %(chunks)s / %(detections)s) / 5 + 1, now(),
       case when n %% 10 < 4
            then '{"transactions": 212, "transactions_needed": 187, "weight": "0.43", "weight_limit": "0.51", "customers": 1812, "upgrade_percent": 10, "upgrade_min_transactions": 50000}'
            else '{"transactions": 84, "amount": "1882.44", "child_min_transactions": 80, "child_max_average": "23"}' end::jsonb
from generate_series(0, %(detections)s - 1) n
on conflict do nothing;

-- Every detection is of a pair, and the largest merchant has one pair with every customer on top.
insert into ledger.pair_total (feed_id, merchant, customer, transactions, amount, seen_female, seen_male, weight)
select 1, merchant, customer, 20 + abs(hashtext(customer)) %% 100, 2300, true, false, abs(hashtext(merchant || customer)) %% 100000 / 100.0
from ledger.detection
where customer <> ''
on conflict do nothing;
insert into ledger.pair_total (feed_id, merchant, customer, transactions, amount, seen_female, seen_male, weight)
select 1, 'M5000', 'D' || n, 20 + n %% 100, 2300, true, false, n %% 1000 from generate_series(1, 50000) n;
insert into ledger.ranked_total
select 1, merchant, transactions, count(*) from ledger.pair_total group by merchant, transactions;

insert into ledger.detection_file (feed_id, file_number, first_ordinal, last_ordinal, blob_name, reserved_at, uploaded_at, blob_sha256)
select 1, n, 50 * n - 49, 50 * n, 'detections/pages/' || n, now(), now(), 's' from generate_series(1, %(detections)s / 50) n;
