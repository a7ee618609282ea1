"""The shelf of recipes: what stands on it, what is known of each, and its card."""
