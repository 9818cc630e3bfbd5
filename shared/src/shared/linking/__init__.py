"""What links entities: claims, mappings and their index, pair states and writes in flight."""
