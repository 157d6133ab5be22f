"""What a worker's parent process does beside its jobs: heartbeat, reaper, reconciling."""
