"""What every process agrees on: words (layer 0) and the adapters to Redis, the broker and the volume (layer 1)."""
