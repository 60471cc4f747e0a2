-- Start a feed. Nothing happens when it exists: its settings are fixed.
insert into ledger.feed (
    feed, transactions_file_id, importance_file_id,
    chunk_size, interval_seconds, upgrade_percent, upgrade_min_transactions, weight_scope, child_min_transactions,
    child_max_average, dei_min_female, detections_per_file, linger_seconds, max_reject_percent,
    source_revision, source_size, source_md5, header, columns, data_start, data_line
) values (
    %(feed)s, %(transactions_file_id)s, %(importance_file_id)s,
    %(chunk_size)s, %(interval_seconds)s, %(upgrade_percent)s, %(upgrade_min_transactions)s, %(weight_scope)s,
    %(child_min_transactions)s, %(child_max_average)s, %(dei_min_female)s, %(detections_per_file)s, %(linger_seconds)s,
    %(max_reject_percent)s,
    %(source_revision)s, %(source_size)s, %(source_md5)s, %(header)s, %(columns)s, %(data_start)s, %(data_line)s
)
on conflict (feed) do nothing;
