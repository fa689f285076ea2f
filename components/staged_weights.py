"""`StagedWeights`: a local directory of safetensors, checked and staged in a bucket."""

import pulumi

from components._base import explained, given, token, understood, with_overrides
from components.weight_bucket import WeightBucket
from infra.artifacts.sdk import Weights
from infra.spec.declarations import WeightsSpec, parse


class StagedWeights(pulumi.ComponentResource):
    """Weights that workers fetch by manifest. `uri` names the manifest, `digest` its content."""

    uri: pulumi.Output[str]
    digest: pulumi.Output[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        bucket: WeightBucket,
        source: str,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        allow_pickle: bool | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("StagedWeights"), name, None, opts)
        values = given(source=source, include=include, exclude=exclude, allow_pickle=allow_pickle)
        with explained():
            spec = parse(WeightsSpec, with_overrides("weights", name, values), subject=f"weights {name!r}")
        self.weights = Weights(
            name,
            bucket=bucket.bucket_name,
            source=spec.source,
            include=spec.include,
            exclude=spec.exclude,
            allow_pickle=spec.allow_pickle,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.uri = self.weights.uri
        self.digest = self.weights.digest
        self.size_bytes = self.weights.size_bytes
        self.bucket_env = bucket.worker_env
        self.worker_env: dict[str, pulumi.Input[str]] = {"PILOTLIGHT_WEIGHTS": self.uri, **bucket.worker_env}
        self.register_outputs({"uri": self.uri, "digest": self.digest})
