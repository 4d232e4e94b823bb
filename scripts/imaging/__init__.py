"""The image of k8s/image built where there is no container engine, and seen to serve as Kubernetes would run it."""
