"""Run the same parts on the engines of others."""
