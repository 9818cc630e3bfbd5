"""A whole Tandem for tests: real processes on a real Kafka, with the sandbox at the vendors' edge."""
