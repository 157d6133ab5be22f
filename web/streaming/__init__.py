"""Open connections: events handed to all who watch, and their limits."""
