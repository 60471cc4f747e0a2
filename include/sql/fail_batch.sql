-- The detection job of this generation has failed: the next submission gets a new idempotency token.
update ledger.batch set generation = generation + 1, last_error = %(error)s
where batch_id = %(batch_id)s and generation = %(generation)s and applied_at is null and closed_at is null;
