"""Tests of computing and of running jobs, on real text and real worker processes."""
