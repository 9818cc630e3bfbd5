"""Events: the envelope and the topics."""
