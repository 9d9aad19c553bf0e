"""What a record is: the wire format, batches and counts of records, their columns, and verdicts."""
