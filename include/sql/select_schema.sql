-- The text of schema.sql and views.sql that was applied last.
select sha256 from ledger.applied_schema order by applied_at desc limit 1;
