"""Generating text with a model, and finding what was copied from its corpus."""
