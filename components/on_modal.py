"""An endpoint on Modal: one app with the handler as its class, and a secret for what only workers may read."""

from collections.abc import Mapping

import pulumi

from components._base import Deployed
from components.intent import endpoint_intent
from components.modal_machine import environment, image_of
from components.modal_mapping import CLASS, to_modal
from components.model_image import ModelImage
from components.staged_weights import StagedWeights
from infra.catalog import load
from infra.modal.sdk import App
from infra.spec.declarations import Cloud, EndpointSpec, SpecError, registry_on
from infra.spec.parsing import Problem


def deploy_on_modal(
    parent: pulumi.Resource,
    name: str,
    spec: EndpointSpec,
    image: "ModelImage | pulumi.Input[str]",
    weights: StagedWeights | None,
    env: Mapping[str, pulumi.Input[str]],
) -> Deployed:
    """Register the app under `parent`. Raises `SpecError` with every reason why Modal cannot run it."""
    service, problems = to_modal(spec, load())
    if not isinstance(image, ModelImage):
        problems.append(
            Problem("image", "a reference. Wanted: a ModelImage, whose handler Modal runs as code")
        )
    else:
        chain = image_of(image)
        if spec.registry is not None and chain.get("registry") is None:
            problems.append(
                Problem(
                    "registry",
                    "given, and the image has no base to pull. Fix: remove it, or set the image's base",
                )
            )
    if problems or not isinstance(image, ModelImage):
        raise SpecError(f"endpoint {name!r} on Modal", problems)
    if spec.registry is not None:
        chain["registry_secret"] = registry_on(Cloud.MODAL, spec.registry)
    volume = {"PILOTLIGHT_VOLUME": spec.volumes[0].path} if spec.volumes else {}
    given = {**spec.env, **volume, **(weights.bucket_env if weights else {}), **env}
    plain, hidden = environment(parent, name, given)
    service["secrets"] += hidden
    if image.spec.entry is not None:
        service["entry"] = image.spec.entry
    app = App(
        name,
        source=image.spec.handler,
        image=chain,
        env=plain,
        weights=weights.uri if weights else None,
        classes={CLASS: service},
        tags=spec.tags,
        intent=endpoint_intent(
            name, spec, image.packages_size_bytes if image.spec.prebuilt else None, weights
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[weights] if weights else None),
    )
    return Deployed(app, app.url, app.module)
