"""What of Togai's lists becomes events and entries of the index."""
