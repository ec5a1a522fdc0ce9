"""The bank of the part on efficient attention."""
