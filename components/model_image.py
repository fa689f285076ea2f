"""`ModelImage`: a handler directory and its packages, as an image pinned by digest."""

import pulumi

from components._base import explained, given, token, with_overrides
from infra.artifacts.sdk import Image
from infra.spec.declarations import ImageSpec, parse


class ModelImage(pulumi.ComponentResource):
    """An image of a handler. `ref` is pinned by digest: the same input gives the same digest."""

    ref: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        handler: str,
        requirements: list[str] | str | None = None,
        python: str | None = None,
        base: str | None = None,
        env: dict[str, str] | None = None,
        repository: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelImage"), name, None, opts)
        values = given(
            handler=handler,
            requirements=requirements,
            python=python,
            base=base,
            env=env,
            repository=repository,
        )
        with explained():
            spec = parse(ImageSpec, with_overrides("images", name, values), subject=f"image {name!r}")
        self.image = Image(
            name,
            handler=spec.handler,
            template="runpod",
            requirements=spec.requirements if isinstance(spec.requirements, list) else None,
            requirements_file=spec.requirements if isinstance(spec.requirements, str) else None,
            python=spec.python,
            base=spec.base,
            env=spec.env or None,
            repository=spec.repository,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ref = self.image.ref
        self.digest = self.image.digest
        self.register_outputs({"ref": self.ref, "digest": self.digest})
