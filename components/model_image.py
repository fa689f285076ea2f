"""`ModelImage`: a handler directory and its packages, as an image pinned by digest."""

import pulumi

from components._base import explained, given, token, understood, with_overrides
from infra.artifacts.sdk import Image
from infra.spec.declarations import ImageSpec, parse


class ModelImage(pulumi.ComponentResource):
    """An image of a handler, for any cloud.

    Where a cloud takes a built image (RunPod), it is built and pushed once, and `ref` is pinned by digest: the same input
    gives the same digest. Where the cloud builds by itself (Modal), the same declaration is rendered as a chain, or is
    built and pushed as well if `prebuilt`.
    """

    @understood
    def __init__(
        self,
        name: str,
        *,
        handler: str,
        entry: str | None = None,
        requirements: list[str] | str | None = None,
        python: str | None = None,
        base: str | None = None,
        env: dict[str, str] | None = None,
        prebuilt: bool | None = None,
        repository: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelImage"), name, None, opts)
        values = given(
            handler=handler,
            entry=entry,
            requirements=requirements,
            python=python,
            base=base,
            env=env,
            prebuilt=prebuilt,
            repository=repository,
        )
        with explained():
            self.spec = parse(ImageSpec, with_overrides("images", name, values), subject=f"image {name!r}")
        self._name = name
        self._built: dict[str, Image] = {}
        self.register_outputs({})

    @property
    def ref(self) -> pulumi.Output[str]:
        """`host/repository@sha256:…`. Asking for it has the image built and pushed."""
        return self._image(self._name).ref

    @property
    def digest(self) -> pulumi.Output[str]:
        """`sha256:…` of the image. Asking for it has the image built and pushed."""
        return self._image(self._name).digest

    @property
    def size_bytes(self) -> pulumi.Output[int]:
        """What a machine that has nothing of it must fetch. Asking for it has the image built and pushed."""
        return self._image(self._name).size_bytes

    def job_ref(self, entry: str) -> pulumi.Output[str]:
        """The image of a job that runs `entry` ("file.py:function"), as `ref` is of a handler."""
        _, _, function = entry.partition(":")
        return self._image(f"{self._name}-{function}", template="runpod-job", functions=[entry]).ref

    @property
    def packages_ref(self) -> pulumi.Output[str]:
        """An image for a cloud that brings its own runtime (Modal): this one's base, packages and environment."""
        return self._packages().ref

    @property
    def packages_size_bytes(self) -> pulumi.Output[int]:
        """As `size_bytes`, of that image."""
        return self._packages().size_bytes

    def _packages(self) -> Image:
        return self._image(f"{self._name}-packages", template="runpod-job")

    def _image(self, name: str, template: str = "runpod", functions: list[str] | None = None) -> Image:
        if name not in self._built:
            spec = self.spec
            self._built[name] = Image(
                name,
                handler=spec.handler,
                entry=spec.entry if template == "runpod" else None,
                requirements=spec.requirements if isinstance(spec.requirements, list) else None,
                requirements_file=spec.requirements if isinstance(spec.requirements, str) else None,
                python=spec.python,
                base=spec.base,
                env=spec.env or None,
                repository=spec.repository,
                opts=pulumi.ResourceOptions(parent=self),
                template=template,
                functions=functions,
            )
        return self._built[name]
