"""Stripe's API, as far as Tandem calls it."""
