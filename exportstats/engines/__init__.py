"""Run statistics on other engines."""
