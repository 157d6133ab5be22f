"""Who can call: origin checks, keys, sessions, rate limits."""
