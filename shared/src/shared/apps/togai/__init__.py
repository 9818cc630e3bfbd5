"""Togai: the only place that knows its addresses and bodies."""
