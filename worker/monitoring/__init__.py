"""What a worker reports to Prometheus. Its parent process serves it, which computes nothing."""
