"""From a handler directory to the files of an image: templates, and the worker runtime that goes inside."""

from images.errors import ImageError
from images.function import FunctionInfo, inspect_function
from images.handler import HandlerInfo, Kind, Style, inspect_handler
from images.packages import read_packages
from images.render import TEMPLATES, RenderOptions, Template, docker_context, render

__all__ = [
    "TEMPLATES",
    "FunctionInfo",
    "HandlerInfo",
    "ImageError",
    "Kind",
    "RenderOptions",
    "Style",
    "Template",
    "docker_context",
    "inspect_function",
    "inspect_handler",
    "read_packages",
    "render",
]
