-- The text of schema.sql, staging.sql, views.sql, functions.sql and grants.sql that was applied last, by its SHA-256.
select sha256 from ledger.applied_schema order by applied_at desc limit 1;
