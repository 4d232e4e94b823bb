"""What k8s/ says, built by kustomize and held against the server, the schemas and the policies."""
