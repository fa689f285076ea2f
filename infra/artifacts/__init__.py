"""The provider `pilotlight-artifacts`: buckets, staged weights, and images without a container engine."""
