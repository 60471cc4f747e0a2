-- What the writer and the reader may do, and nothing else. The owner applies it after schema.sql, views.sql and functions.sql, whenever one of
-- them has changed: so a table that is new and a view that is made anew have their grants, and default privileges are not needed.

revoke all on all tables in schema ledger from public, ledger_writer, ledger_reader;
revoke all on all functions in schema ledger from public;

grant usage on schema ledger to ledger_writer, ledger_reader;
grant select on all tables in schema ledger to ledger_writer, ledger_reader;
grant insert, update, delete on all tables in schema ledger to ledger_writer;
grant execute on all functions in schema ledger to ledger_writer;

-- Which schema has been applied is the owner's to say.
revoke insert, update, delete on ledger.applied_schema from ledger_writer;
