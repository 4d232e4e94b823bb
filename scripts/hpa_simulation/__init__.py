"""The shipped HPA run through autoscaling/v2's algorithm, on loads that it is made for and on real traffic."""
