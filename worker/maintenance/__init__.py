"""What a worker's parent process does in addition to starting jobs: heartbeat, reaper, reconciliation."""
