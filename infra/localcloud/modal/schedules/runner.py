"""Functions that the clock calls: `Period` and `Cron` of apps that are deployed."""

import logging
import pickle

from modal_proto import api_pb2

from infra.localcloud.core.timers import Timer
from infra.localcloud.modal.calls.book import FunctionCall, InputState
from infra.localcloud.modal.calls.submit import put_inputs, start_call
from infra.localcloud.modal.containers.fleet import local_fleet
from infra.localcloud.modal.errors import RpcError
from infra.localcloud.modal.model import AppRecord
from infra.localcloud.modal.world import World

from .times import next_run

log = logging.getLogger("pilotlight.cloud.modal")
NO_ARGUMENTS = pickle.dumps(((), {}))
# The wall clock may be set, and stands still for nobody while a laptop sleeps: it is looked at no less often.
NAP_S = 60.0


class Schedules:
    """Nothing is kept on disk: when a function runs next follows from its definition, from when its app was deployed and
    from the time. So each deployment starts a period anew, and what came due while the local cloud was not there is
    left out. A run that has not begun when the next is due takes its place."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[str, float] = {}
        self._last: dict[str, FunctionCall] = {}
        self._timer: Timer | None = None
        world.app_listeners.append(self._app_changed)

    def open(self) -> None:
        for app in self._world.apps.values():
            self._plan(app)
        self._sleep()

    def due(self) -> dict[str, float]:
        """By function id, when it runs next."""
        return dict(self._due)

    def _app_changed(self, app: AppRecord) -> None:
        self._plan(app)
        self._sleep()

    def _plan(self, app: AppRecord) -> None:
        for function_id in list(self._due):
            if self._world.functions[function_id].app_id == app.app_id:
                del self._due[function_id]
        # An app that lives as long as its client (`modal run`, `modal serve`) has no runs of its own.
        if app.state == api_pb2.APP_STATE_DEPLOYED:
            for function_id in app.function_ids.values():
                self._plan_next(function_id, app.deployed_at)

    def _plan_next(self, function_id: str, anchor: float) -> None:
        data = self._world.functions[function_id].data
        due = next_run(data.schedule, anchor, self._world.clock.now()) if data.HasField("schedule") else None
        if due is None:
            self._due.pop(function_id, None)
        else:
            self._due[function_id] = due

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            left = min(self._due.values()) - self._world.clock.now()
            self._timer = local_fleet(self._world).timers.after(min(left, NAP_S), self._look)

    def _look(self) -> None:
        now = self._world.clock.now()
        for function_id, due in list(self._due.items()):
            if due <= now:
                self._run(function_id)
                app = self._world.apps[self._world.functions[function_id].app_id]
                self._plan_next(function_id, app.deployed_at)
        self._sleep()

    def _run(self, function_id: str) -> None:
        name, last = self._world.functions[function_id].name, self._last.get(function_id)
        if last is not None and all(item.state is InputState.QUEUED for item in last.inputs.values()):
            log.warning("scheduled function %s: its last run has not begun yet, this one is left out", name)
            return
        fleet = local_fleet(self._world)
        payload = api_pb2.FunctionInput(args=NO_ARGUMENTS, data_format=api_pb2.DATA_FORMAT_PICKLE)
        try:
            call = self._last[function_id] = start_call(fleet, function_id, sync=False)
            put_inputs(fleet, call, [api_pb2.FunctionPutInputsItem(idx=0, input=payload)])
        except RpcError as error:
            log.warning("scheduled function %s cannot run: %s", name, error.message)
