-- Carry a database over in which one role named ledger owned everything and did everything: its objects go to the owner, the database to
-- who runs this, and it can no longer log in. Run after roles.sql; does nothing elsewhere.
do $$
begin
    if exists (select from pg_roles where rolname = 'ledger' and rolcanlogin) then
        execute format('alter database %I owner to %I', current_database(), current_user);
        reassign owned by ledger to ledger_owner;
        drop owned by ledger; -- what it was granted
        alter role ledger nologin password null;
    end if;
end $$;
