"""The bank of the part on the Transformer."""
