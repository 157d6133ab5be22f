"""This version together with the previous one."""
