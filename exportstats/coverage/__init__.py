"""What COMPLETED tasks cover and what they do not; one module per question."""
