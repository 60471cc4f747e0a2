-- schema.sql has been applied.
insert into ledger.applied_schema (sha256) values (%(sha256)s);
