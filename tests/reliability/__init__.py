"""The fault run: people at work on both sides, everything breaking that can, and an independent look at the end."""
