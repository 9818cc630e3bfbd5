"""Price plans: offered in Togai, sold by Stripe, attached when they are paid."""
