"""Files and buffers to tables and back, one way for every kind of table."""
