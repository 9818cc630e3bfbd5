"""Customers and accounts, both ways between Togai and Stripe."""
