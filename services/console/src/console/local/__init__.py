"""Tandem on a bare machine: the embedded Kafka and the supervisor of all parts."""
