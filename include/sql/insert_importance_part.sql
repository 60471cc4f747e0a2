-- A part of CustomerImportance has landed.
insert into ledger.importance_part (feed_id, part, blob_name, blob_sha256)
values (%(feed_id)s, %(part)s, %(blob_name)s, %(blob_sha256)s);
