"""The independent look: it reads the sandbox over HTTP, the topics as raw Kafka records, and the model; nothing else.

It imports nothing of the product and nothing that does, so that no mistake is made twice the same way.
"""
