"""Togai's invoices as Stripe's, and their payments back."""
