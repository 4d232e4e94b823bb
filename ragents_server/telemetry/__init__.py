"""What is told to the outside of how the server fares: metrics on a page of their own, and logs."""
