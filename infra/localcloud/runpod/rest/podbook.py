"""The account's pods, kept in the store and applied to what runs them."""

from typing import TYPE_CHECKING

from infra.localcloud.runpod.rest.rows import Rows

if TYPE_CHECKING:
    from infra.localcloud.runpod.rest.service import RestService


class PodBook:
    def __init__(self, service: "RestService") -> None:
        self._service = service
        self.rows = Rows(service.store, "pods", "pod", id_length=14)
