"""This version beside the one before."""
