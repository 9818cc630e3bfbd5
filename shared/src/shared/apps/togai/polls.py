"""Which of Togai's lists are polled."""

from __future__ import annotations

from shared.apps.polling import PollSpec

CUSTOMERS = PollSpec("togai-customers", "customers", fills_index=True)
ACCOUNTS = PollSpec("togai-accounts", "accounts", fills_index=True)
SETTINGS = PollSpec("togai-settings", "settings that name customers", fills_index=True)
INVOICES = PollSpec("togai-invoices", "invoices")
PRICE_PLANS = PollSpec("togai-price-plans", "price plans")
PRICE_PLANS_V2 = PollSpec("togai-price-plans-v2", "price plans of the second API")
SCHEDULES = PollSpec("togai-schedules", "accounts' price plans")
