"""Kafka: clients, topics, the log that is written to, replicas of compacted topics, and the consume loop over Faust."""
