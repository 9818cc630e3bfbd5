"""The outside becomes events: webhooks are verified, wrapped and appended, and only then answered."""
