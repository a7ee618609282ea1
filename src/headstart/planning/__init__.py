"""What will be done with this data, and why: every choice written down before the first step, so that it can be repeated."""
