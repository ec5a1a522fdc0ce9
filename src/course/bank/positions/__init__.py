"""The bank of the part on positions."""
