"""Typed declarations (`declarations.py` has them all), errors and findings. Data only: no I/O, no Pulumi.

Nothing is imported here: a command or provider that needs only `errors` must not pay for pydantic.
"""
