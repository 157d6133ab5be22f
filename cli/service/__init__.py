"""The service that `charloom up` runs: its processes, their supervision and their shutdown."""
