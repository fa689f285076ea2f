"""The setting `stock`, as pods see it."""

from dataclasses import replace

from infra.localcloud.core.settings import Settings
from infra.localcloud.daemon.assembly import _pod_stock
from infra.localcloud.runpod.rest import offers
from infra.localcloud.runpod.rest.stock import Stock
from tests.localcloud.pods.conftest import RECORD


def test_a_type_that_is_out_of_stock_in_its_data_center_keeps_a_pod_waiting() -> None:
    settings = Settings()
    why_none = _pod_stock(Stock(settings, offers.load()))
    on_cpu = replace(RECORD, gpu_type_id=None, gpu_count=0, cpu=({"id": "cpu3g", "vcpuCount": 2},))
    assert (why_none(RECORD), why_none(on_cpu)) == ("", "")
    settings.set("stock.EU-RO-1.NVIDIA L4=NONE")
    assert why_none(RECORD) == "no NVIDIA L4 is free in EU-RO-1 now"
    assert why_none(replace(RECORD, data_center_id="US-KS-2")) == ""
    settings.set("stock.EU-RO-1.NVIDIA L4=LOW")
    assert why_none(RECORD) == ""
    settings.set("stock.*.cpu3g=NONE")
    assert why_none(on_cpu) == "no cpu3g is free in EU-RO-1 now"
