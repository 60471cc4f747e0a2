-- Nothing of the batch will be applied from now on.
update ledger.batch set closed_at = now(), last_error = %(reason)s
where batch_id = %(batch_id)s and applied_at is null and closed_at is null;
