-- Audits of the feed that have not been compared: at most one.
select batch_id from ledger.batch where feed_id = %(feed_id)s and purpose = 'audit' and closed_at is null;
