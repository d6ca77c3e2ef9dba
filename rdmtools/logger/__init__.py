"""What runs inside the training job: the probe logger."""
