"""`WeightBucket`: the bucket that weights are staged in."""

import pulumi

from components._base import explained, given, token, understood, with_overrides
from infra.artifacts.sdk import Bucket
from infra.spec.declarations import BucketKind, BucketSpec, parse


class WeightBucket(pulumi.ComponentResource):
    """A bucket for model weights in S3 or R2; on the local cloud, in its own object store.

    `worker_access_key_id` and `worker_secret_access_key` are the key with which workers read (a read-only one is
    enough) and `endpoint_url` is where, if not AWS. The local cloud gives its workers its own.
    """

    bucket_name: pulumi.Output[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        bucket_name: str | None = None,
        kind: BucketKind | str | None = None,
        region: str | None = None,
        force_destroy: bool | None = None,
        endpoint_url: pulumi.Input[str] | None = None,
        worker_access_key_id: pulumi.Input[str] | None = None,
        worker_secret_access_key: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("WeightBucket"), name, None, opts)
        values = given(bucket_name=bucket_name, kind=kind, region=region, force_destroy=force_destroy)
        with explained():
            spec = parse(BucketSpec, with_overrides("buckets", name, values), subject=f"bucket {name!r}")
        self.bucket = Bucket(
            name,
            name=spec.bucket_name,
            kind=spec.kind.value,
            region=spec.region,
            force_destroy=spec.force_destroy,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.bucket_name = self.bucket.name
        self.worker_env: dict[str, pulumi.Input[str]] = given(
            AWS_ENDPOINT_URL_S3=endpoint_url,
            AWS_REGION=spec.region,
            AWS_ACCESS_KEY_ID=worker_access_key_id,
            AWS_SECRET_ACCESS_KEY=worker_secret_access_key and pulumi.Output.secret(worker_secret_access_key),
        )
        self.register_outputs({"bucketName": self.bucket_name})
