"""Time and memory of exportstats and of a baseline, measured in the same run."""
