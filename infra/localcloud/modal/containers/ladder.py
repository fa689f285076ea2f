"""How a container ends: told to, interrupted, killed, each with its time."""

from collections.abc import Callable

from infra.localcloud.modal.containers.container import Container, Phase
from infra.localcloud.modal.containers.platform import Platform

EXIT_GRACE_S = 30.0  # for exit hooks, once a container has been told to end
STOP_GRACE_S = 5.0  # from the interrupt to the kill, where it is stopped in its work


class Ladder:
    """`gone` is called for one that never got a process."""

    def __init__(self, platform: Platform, gone: Callable[[Container], None]) -> None:
        self._platform, self._gone = platform, gone

    def retire(self, container: Container) -> None:
        """No more inputs; ends at once when it has none, else after them, its exit hooks run."""
        container.retiring = True
        if container.phase is Phase.WAITING:
            self._gone(container)
        elif container.phase is Phase.STARTING:
            self.signal(container, STOP_GRACE_S)
        elif container.phase is Phase.READY and not container.busy:
            if container.record.function.is_server:
                self.signal(container, container.record.function.http_config.exit_grace_period + STOP_GRACE_S)
            elif container.poll is not None:
                self.told_to_end(container)
                container.answer(None)
            else:
                self._deadline(container, EXIT_GRACE_S)

    def told_to_end(self, container: Container) -> None:
        """The kill switch is on its way."""
        container.retiring = True
        if container.phase is Phase.READY and not container.busy:
            container.phase = Phase.STOPPING
            self._deadline(container, EXIT_GRACE_S)

    def stop(self, container: Container, why: str, grace_s: float = STOP_GRACE_S) -> None:
        """In the middle of its work, which others get; exit hooks run within the grace."""
        container.retiring = container.stopped_by_us = True
        container.reason = container.reason or why
        if container.phase is Phase.WAITING:
            self._gone(container)
        elif container.phase in (Phase.STARTING, Phase.READY):
            self._platform.say(container, f"stopping: {why}")
            if container.phase is Phase.READY and not container.busy and container.poll is not None:
                self.told_to_end(container)
                container.answer(None)
                self._deadline(container, grace_s)
            else:
                self.signal(container, grace_s)
        else:
            self._deadline(container, grace_s)

    def kill(self, container: Container, why: str) -> None:
        container.retiring = container.stopped_by_us = True
        container.reason = container.reason or why
        self._platform.say(container, f"killed: {why}")
        if container.process is not None:
            container.phase = Phase.STOPPING
            container.process.kill()

    def signal(self, container: Container, grace_s: float) -> None:
        """A server ends on SIGTERM; other containers would die of it at once, which is right before they are ready."""
        starting = container.phase is Phase.STARTING
        if container.process is not None:
            container.phase = Phase.STOPPING
            gentle = not (starting or container.record.function.is_server)
            container.process.interrupt() if gentle else container.process.terminate()
            self._deadline(container, grace_s)

    def _deadline(self, container: Container, grace_s: float) -> None:
        if container.deadline is not None:
            container.deadline.cancel()
        if container.process is not None:
            container.deadline = self._platform.timers.after(grace_s, container.process.kill)
