"""The real engines under the integration tests: Apache Kafka and PostgreSQL, on any machine.

A Docker engine that answers is used through testcontainers; without one both run embedded. A missing engine fails.
"""
