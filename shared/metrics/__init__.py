"""What Charloom exports to Prometheus: every metric's name in one table, and what fills it with figures."""
