-- Reserve the detections of a file.
insert into ledger.detection_file (feed_id, file_number, first_ordinal, last_ordinal, blob_name)
values (%(feed_id)s, %(file_number)s, %(first_ordinal)s, %(last_ordinal)s, %(blob_name)s);
