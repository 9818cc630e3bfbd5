"""The log folded into SQL tables: disposable, rebuilt from the log at any time."""
