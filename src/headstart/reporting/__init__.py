"""What a run was, how it went and what it is worth: one page that needs nothing else, and the model card beside the weights."""
