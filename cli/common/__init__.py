"""What several commands need: context and options, exit codes, lookups, following a job."""
