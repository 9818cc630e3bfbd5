"""The web console: server-rendered, complete without scripts, updated in place with them."""
