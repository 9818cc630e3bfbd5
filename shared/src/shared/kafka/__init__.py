"""Kafka: appending, local copies of topics, and log-in."""
