"""The control API: what a test or a person needs and no vendor offers."""
