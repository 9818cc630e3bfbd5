"""A domain that is not there: it holds the seams, and shows what a new one is made of."""
