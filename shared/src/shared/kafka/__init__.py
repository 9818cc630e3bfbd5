"""Kafka: appending, local copies of topics, and log-in."""

from shared.kafka.bootstrap import refuse_no_brokers

refuse_no_brokers()
