"""What a definition may not ask for: the same limits that the planner warns of, said by the cloud."""

from modal_proto import api_pb2

from infra.catalog import load
from infra.localcloud.modal.errors import invalid, not_found
from infra.localcloud.modal.schedules import times
from infra.localcloud.modal.world import World

SCALEDOWN = (2, 3600)
TIMEOUT = (1, 86_400)
# Names that Modal takes besides the catalog's: any card, and the A100 without its memory.
MORE_GPUS = ("ANY", "A100", "A10G")


def check_definition(world: World, data: api_pb2.FunctionData) -> None:
    """RpcError INVALID_ARGUMENT, or NOT_FOUND for an object that is not there."""
    name = data.function_name
    check_autoscaler(name, data.autoscaler_settings)
    if data.timeout_secs:
        _check_range(name, "timeout", data.timeout_secs, TIMEOUT)
    try:
        times.check(data.schedule)
    except ValueError as error:
        raise invalid(f"Function '{name}' cannot be scheduled: {error}") from None
    for ranked in data.ranked_functions:
        function = ranked.function
        _check_gpu(name, function.resources.gpu_config)
        for mount_id in function.mount_ids:
            if mount_id not in world.mount_records:
                raise not_found(f"Mount '{mount_id}' of function '{name}' not found")
        for secret_id in function.secret_ids:
            if secret_id not in world.secret_records:
                raise not_found(f"Secret '{secret_id}' of function '{name}' not found")


def check_autoscaler(name: str, settings: api_pb2.AutoscalerSettings) -> None:
    if settings.HasField("scaledown_window"):
        _check_range(name, "scaledown_window", settings.scaledown_window, SCALEDOWN)
    least, most = settings.min_containers, settings.max_containers
    if most and least > most:
        raise invalid(f"Function '{name}' has min_containers={least}, more than its max_containers={most}")


def _check_range(name: str, what: str, value: int, limits: tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise invalid(f"Function '{name}' has {what}={value}: it must be between {low} and {high} seconds")


def _check_gpu(name: str, gpu: api_pb2.GPUConfig) -> None:
    if not gpu.count:
        return
    wanted = gpu.gpu_type.upper()
    if not wanted or wanted in MORE_GPUS:
        return
    for known in load().gpus.values():
        if known.modal_id is not None and known.modal_id.upper() == wanted:
            if known.modal_max_count is not None and gpu.count > known.modal_max_count:
                raise invalid(
                    f"Function '{name}' wants {gpu.count} {wanted}: a container has {known.modal_max_count} at most"
                )
            return
    offered = ", ".join(gpu.modal_id for gpu in load().gpus.values() if gpu.modal_id)
    raise invalid(
        f"Function '{name}' wants GPU '{gpu.gpu_type}', which Modal does not offer. It offers {offered}"
    )
