"""Figures that anyone can measure again: one command each, printed as a table, every claim a ratio within one run."""
