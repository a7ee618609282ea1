"""What a user can ask for, one file each; the command line calls these same functions."""
