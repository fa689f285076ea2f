"""OCI images in pure Python: layers as tar files, a config, a manifest, and a registry's HTTP API."""
