"""The one error of a worker that cannot start."""


class StartError(Exception):
    """The worker cannot start. The message says what is, and what to do; it becomes the worker's last log line."""
