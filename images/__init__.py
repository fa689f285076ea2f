"""From a handler directory to the files of an image: templates, and the worker runtime that goes inside."""

from images.errors import ImageError
from images.handler import HandlerInfo, Kind, Style, inspect_handler
from images.render import TEMPLATES, RenderOptions, Template, docker_context, render

__all__ = [
    "TEMPLATES",
    "HandlerInfo",
    "ImageError",
    "Kind",
    "RenderOptions",
    "Style",
    "Template",
    "docker_context",
    "inspect_handler",
    "render",
]
