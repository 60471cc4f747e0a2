-- Whether there is a ledger that this role may read.
select exists (
    select from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'ledger' and c.relname = 'applied_schema'
      and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
) as there;
