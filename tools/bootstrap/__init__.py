"""Set-up of a checkout. Only the standard library: it runs before anything is installed."""
