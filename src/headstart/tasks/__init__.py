"""What an encoder is tuned to say of samples. A task is one file here: what is predicted, by which loss, judged how."""
