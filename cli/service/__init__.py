"""The embedded service that `charloom up` runs: processes, supervision and their orderly end."""
