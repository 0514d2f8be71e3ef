"""What every question stands on: the columns of each table, one way to read them, and shards."""
