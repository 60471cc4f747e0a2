"""What the DAGs are made of: reading Drive, landing chunks, the ledger, submitting the detection job, exporting detections."""
