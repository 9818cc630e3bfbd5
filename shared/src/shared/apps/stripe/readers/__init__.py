"""What of Stripe's lists becomes events and entries of the index."""
