"""Flow links, matching, runs, dead letters, hand-over and retries: pure."""
