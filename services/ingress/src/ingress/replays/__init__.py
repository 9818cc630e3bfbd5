"""Replays: events of the log once more, on the replay topic of their noun."""
