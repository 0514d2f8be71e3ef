"""Answers as tables: one question, one function, one file."""
