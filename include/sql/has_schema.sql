-- Whether there is a ledger.
select to_regclass('ledger.applied_schema') is not null as there;
