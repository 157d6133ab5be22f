"""One file for each thing that may be odd in a text."""
