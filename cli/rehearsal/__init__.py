"""`charloom rehearse`: a fire drill on a running fleet."""
