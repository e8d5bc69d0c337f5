"""What the daemon observes, one module per source. The pipeline gets them through `ports`, so none knows another."""
