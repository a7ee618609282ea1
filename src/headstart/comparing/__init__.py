"""What pre-training is worth by number of labels: every way a user could go, under one split, one search and one measure."""
