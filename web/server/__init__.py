"""gunicorn's worker: a connection takes a thread only while there is work for it. Knows no route and no key."""
