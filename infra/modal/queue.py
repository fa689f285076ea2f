"""`pilotlight-modal:index:Queue`: a queue of values between functions."""

from typing import ClassVar

from infra.modal.named import Made, Named, NamedInputs


class QueueInputs(NamedInputs):
    pass


class QueueState(QueueInputs, Made):
    pass


class Queue(Named[QueueInputs, QueueState]):
    """A queue of values between functions. Deleting it deletes what it holds."""

    Inputs: ClassVar = QueueInputs
    State: ClassVar = QueueState
    kind = "Queue"
    word = "queue"
    prefix = "qu-"
