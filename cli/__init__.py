"""The command line: a caller of the HTTP API, and the one command that starts a whole service. Never imports torch."""
