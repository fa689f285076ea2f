"""Modal on this machine: its gRPC protocol, its web front end, and the official container entrypoint as local processes."""
