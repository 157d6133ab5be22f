"""Running one job: claim, lease, attempt, checkpoints, publishing."""
