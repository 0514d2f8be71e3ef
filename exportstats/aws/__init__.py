"""Fetch tables from AWS: clients, targets, and loading from many targets at once."""
