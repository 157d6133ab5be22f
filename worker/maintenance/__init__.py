"""What a worker's parent process does besides starting jobs: heartbeat, reaper, reconciliation."""
