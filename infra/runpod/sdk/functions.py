"""What a program can ask of RunPod while it runs. Results are mappings, with the names of `infra.runpod.functions`."""

from typing import TYPE_CHECKING, Any

import pulumi

from infra.kit.names import NO_NAMES, read
from infra.kit.sdk import wire_value

if TYPE_CHECKING:
    from infra.runpod import billing, functions


def get_gpu_classes(
    *,
    product: "pulumi.Input[functions.Product | str] | None" = None,
    pool: pulumi.Input[str] | None = None,
    in_stock: pulumi.Input[bool] | None = None,
    data_center: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[Any]:
    """`{"gpus": [{"id", "pool", "serverlessUsdPerHour", "availability", "dataCenters", …}]}`, cheapest first."""
    given = {"product": product, "pool": pool, "in_stock": in_stock, "data_center": data_center}
    return _ask("getGpuClasses", given, opts)


def get_data_centers(
    *, network_volumes: pulumi.Input[bool] | None = None, opts: pulumi.InvokeOptions | None = None
) -> pulumi.Output[Any]:
    """`{"dataCenters": [{"id", "region", "networkVolumeTypes", "gpus": {id: stock}, …}]}`."""
    return _ask("getDataCenters", {"network_volumes": network_volumes}, opts)


def get_cpu_flavors(
    *,
    product: "pulumi.Input[functions.Product | str] | None" = None,
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[Any]:
    """`{"flavors": [{"id", "ramGbPerVcpu", "serverlessUsdPerVcpuHour", "availability", …}]}`."""
    return _ask("getCpuFlavors", {"product": product}, opts)


def get_billing(
    *,
    of: "pulumi.Input[billing.BilledFor | str] | None" = None,
    id: pulumi.Input[str] | None = None,
    bucket: "pulumi.Input[billing.Bucket | str] | None" = None,
    last: pulumi.Input[int] | None = None,
    start_time: pulumi.Input[str] | None = None,
    end_time: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOptions | None = None,
) -> pulumi.Output[Any]:
    """`{"records": [{"startTime", "id", "totalUsd", "amountsUsd", …}], "totalUsd"}`."""
    given = {
        "of": of,
        "id": id,
        "bucket": bucket,
        "last": last,
        "start_time": start_time,
        "end_time": end_time,
    }
    return _ask("getBilling", given, opts)


def get_endpoint(*, name: pulumi.Input[str], opts: pulumi.InvokeOptions | None = None) -> pulumi.Output[Any]:
    """`{"id", "type", "image", "url", "requestUrls", "createdAt"}` of an endpoint that is there already."""
    return _ask("getEndpoint", {"name": name}, opts)


def _ask(function: str, given: dict[str, Any], opts: pulumi.InvokeOptions | None) -> pulumi.Output[Any]:
    wire = read("infra.runpod.sdk")[function].wire
    wired = {wire[name]: wire_value(value, NO_NAMES) for name, value in given.items() if value is not None}
    return pulumi.runtime.invoke_output(f"pilotlight-runpod:index:{function}", wired, opts)
