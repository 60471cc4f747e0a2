-- schema.sql, staging.sql, views.sql, functions.sql and grants.sql have been applied.
insert into ledger.applied_schema (sha256) values (%(sha256)s);
