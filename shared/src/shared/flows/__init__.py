"""Flows: the model, matching and templates (pure), and the runner."""
