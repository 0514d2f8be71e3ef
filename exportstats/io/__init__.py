"""Read tables from files and buffers, and write them, in the same way for every kind of table."""
