"""What an answer does, how it differs from the right one, and which mistake it is; knows no chapter."""
