"""The environment of a container: the platform's variables, the image's, the secrets', and nothing of the daemon's."""

from pathlib import Path

from infra.localcloud.modal.containers.container import Container
from infra.localcloud.modal.containers.room import Room
from infra.localcloud.modal.model import Runtime
from infra.localcloud.modal.world import World

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# By which a process is found that outlives its container, or the local cloud.
ROOM_VARIABLE = "PILOTLIGHT_CONTAINER"
BASE = {
    "LANG": "C.UTF-8",
    # Everything that a container has to reach is on this machine or named by the user's own variables.
    "NO_PROXY": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
    "PYTHONNOUSERSITE": "1",
}


def container_environment(world: World, container: Container, room: Room, runtime: Runtime) -> dict[str, str]:
    """KeyError for a secret that is gone. No token: a container is known by its socket."""
    record = container.record
    function, placement = record.function, record.function.scheduler_placement
    given = {**runtime.env, **world.secrets.env(function.secret_ids)}
    own_store = any(name.startswith("AWS_") for name in given)
    offered = {
        name: value
        for name, value in world.offered_env.items()
        if not (own_store and name.startswith("AWS_"))
    }
    if not any(name.startswith("AWS_") for name in given):
        given = {**world.offered_env, **given}
    gpu = function.resources.gpu_config
    platform = {
        "MODAL_IS_REMOTE": "1",
        "MODAL_SERVER_URL": f"unix://{room.inside_socket}",
        "MODAL_CONTAINER_ARGUMENTS_PATH": room.inside_arguments,
        "MODAL_TASK_ID": container.id,
        "MODAL_FUNCTION_ID": record.function_id,
        "MODAL_IMAGE_ID": function.image_id,
        "MODAL_ENVIRONMENT": container.environment,
        "MODAL_CLOUD_PROVIDER": f"CLOUD_PROVIDER_{(function.cloud_provider_str or 'local').upper()}",
        "MODAL_REGION": placement.regions[0] if placement.regions else "local",
        "HOME": room.code,
        "TMPDIR": room.tmp,
        ROOM_VARIABLE: f"{room.folder}/",
    }
    if gpu.gpu_type:
        platform["MODAL_GPU"] = f"{gpu.gpu_type}:{gpu.count}"
    names = [name for name in given if name.startswith("MODAL_TOKEN_")]
    merged = {**BASE, **offered, **given, **platform}
    for name in names:
        del merged[name]  # the client warns of them in a container
    merged["PATH"] = f"{Path(runtime.python).parent}:{given.get('PATH', PATH)}"
    merged["PYTHONPATH"] = ":".join(filter(None, [room.code, given.get("PYTHONPATH", "")]))
    return merged
