"""Build the weekly report: what happened, what to do and by when, the worst first."""
