"""The doors that tasks come in by: live AWS, files, the sample."""
