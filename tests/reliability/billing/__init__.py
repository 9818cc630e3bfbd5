"""Plans and invoices in the fault run."""
