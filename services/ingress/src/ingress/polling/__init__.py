"""What no webhook brought: the vendors are asked, and what is new becomes events and entries of the index."""
