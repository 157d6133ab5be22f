"""Extraction of a text from the files that people have. Knows files and limits; no jobs, no volume, no network."""
