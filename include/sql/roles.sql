-- The roles of the ledger: the owner creates and alters, the writer is the pipeline and its job, the reader only looks. Somebody who
-- may create roles runs it once, in the ledger's database, and gives them passwords. Repeating it changes nothing.
do $$
declare
    name text;
begin
    foreach name in array array['ledger_owner', 'ledger_writer', 'ledger_reader'] loop
        if to_regrole(name) is null then
            execute format('create role %I login', name);
        end if;
    end loop;
    -- By default everybody may connect to a database, and create temporary tables in it.
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to ledger_owner, ledger_writer, ledger_reader', current_database());
    execute format('grant create on database %I to ledger_owner', current_database());
end $$;
