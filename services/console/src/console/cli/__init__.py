"""The `tandem` command. `python -m console.cli` is the same."""
