"""Jobs: the record with its state machine, events, and the form in which a job is shown."""
