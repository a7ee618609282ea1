"""What vectors of samples say about these samples: who is near whom, who is far from all, and how they lie on a map."""
