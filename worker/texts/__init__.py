"""What is odd in a text, and what fixes it. Knows files of text only: no corpora, no jobs, no Redis."""
