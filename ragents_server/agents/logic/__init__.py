"""What the agent `logical` is made of: constraints that become conditions, and questions back."""
