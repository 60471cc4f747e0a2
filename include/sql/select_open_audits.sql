-- Audits of the feed that have not been compared: at most one. Written so that the index batch_one_open finds it.
select batch_id from ledger.batch
where feed_id = %(feed_id)s and (purpose = 'audit') and applied_at is null and closed_at is null;
