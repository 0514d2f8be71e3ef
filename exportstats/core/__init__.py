"""The basis of all other modules: the columns of each table, one way to read them, and shards."""
