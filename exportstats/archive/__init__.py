"""Keep what was observed in Delta tables: `Archive`, and reading one in place of files."""
