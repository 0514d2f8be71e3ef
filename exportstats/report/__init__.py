"""Build the weekly report: what happened, what needs doing and by when, the worst first."""
