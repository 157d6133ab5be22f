"""Event streams and long polls: how events are distributed, and how many may be open."""
