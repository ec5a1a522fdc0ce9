"""The bank of the part on attention."""
