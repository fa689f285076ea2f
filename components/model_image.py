"""`ModelImage`: a handler directory and its packages, as an image pinned by digest."""

import pulumi

from components._base import explained, given, token, with_overrides
from infra.artifacts.sdk import Image
from infra.spec.declarations import ImageSpec, parse


class ModelImage(pulumi.ComponentResource):
    """An image of a handler, for any cloud.

    Where a cloud takes a built image (RunPod), it is built and pushed once, and `ref` is pinned by digest: the same input
    gives the same digest. Where the cloud builds by itself (Modal), the same declaration is rendered as a chain.
    """

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
            self.spec = parse(ImageSpec, with_overrides("images", name, values), subject=f"image {name!r}")
        self._name = name
        self._built: Image | None = None
        self.register_outputs({})

    @property
    def ref(self) -> pulumi.Output[str]:
        """`host/repository@sha256:…`. Asking for it has the image built and pushed."""
        return self._oci().ref

    @property
    def digest(self) -> pulumi.Output[str]:
        """`sha256:…` of the image. Asking for it has the image built and pushed."""
        return self._oci().digest

    def _oci(self) -> Image:
        if self._built is None:
            spec = self.spec
            self._built = Image(
                self._name,
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
        return self._built
