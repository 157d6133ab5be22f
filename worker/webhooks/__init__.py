"""Sending webhook messages, and HTTP to addresses that users chose."""
