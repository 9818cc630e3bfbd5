"""Stripe: the only importer of its SDK."""
