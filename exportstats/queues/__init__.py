"""Queues of exports in each slot: what is expected, and a simulation of it."""
