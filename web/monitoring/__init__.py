"""What a web process reports to Prometheus, and who may read it."""
