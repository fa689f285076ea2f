"""The Pulumi provider for Modal: apps and what they use, through Modal's official client."""
