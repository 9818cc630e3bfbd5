"""Customers and accounts in the fault run: what people do, and what must come of it."""
