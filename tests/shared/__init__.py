"""Tests of what every process agrees on, on a real server and a real disk."""
