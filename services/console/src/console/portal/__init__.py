"""The public page of one offer: what a customer is about to buy, and paying it. Served without the console's login."""
