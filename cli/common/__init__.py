"""What several commands need: context and options, exit codes, looking things up, following jobs."""
