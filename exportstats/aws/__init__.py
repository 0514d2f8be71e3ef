"""Live AWS: its clients, the targets to ask, and a table of what each answered."""
