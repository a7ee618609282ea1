"""What there is in a folder or a file: its files, which of them are data, what lies beside them, what belongs together."""
