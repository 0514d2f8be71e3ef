"""What COMPLETED tasks cover and what they do not, each question in a file of its own."""
