"""Speed and memory beside a named baseline, measured in the same run."""
