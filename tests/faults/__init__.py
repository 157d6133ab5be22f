"""Faults put into a whole Charloom of real processes."""
