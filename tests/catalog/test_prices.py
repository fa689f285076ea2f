"""Price books: exact, per hour, dated, and honest about what they lack."""

from datetime import date
from decimal import Decimal

import pytest

from infra.catalog import PriceMissing, load
from infra.spec.errors import PilotlightError

catalog = load()
market = catalog.prices()


@pytest.mark.parametrize(
    ("cloud", "gpu", "kind", "usd"),
    [
        ("modal", "T4", "serverless", "0.5904"),
        ("modal", "H100", "serverless", "3.9492"),
        ("runpod", "L4", "serverless", "0.684"),
        ("runpod", "A100-80GB", "serverless", "2.736"),
        ("runpod", "B200", "serverless", "8.64"),
        ("runpod", "H100-PCIe", "pod_secure", "2.89"),
        ("runpod", "A100-80GB", "pod_community", "1.39"),
    ],
)
def test_market_prices_per_gpu_hour_are_exact(cloud: str, gpu: str, kind: str, usd: str) -> None:
    assert market.usd_per_gpu_hour(cloud, gpu, kind) == Decimal(usd)


def test_seed_book_holds_the_guides_table() -> None:
    seed = catalog.prices("seed-2026")
    table = {
        gpu: [
            seed.usd_per_gpu_hour("modal", gpu),
            seed.usd_per_gpu_hour("runpod", gpu),
            seed.usd_per_gpu_hour("runpod", gpu, "pod_secure"),
        ]
        for gpu in seed.gpus("modal")
    }
    assert table == {
        "T4": [Decimal("0.45"), Decimal("0.22"), Decimal("0.15")],
        "L4": [Decimal("0.75"), Decimal("0.45"), Decimal("0.35")],
        "A10G": [Decimal("1.10"), Decimal("0.65"), Decimal("0.55")],
        "A100-80GB": [Decimal("3.25"), Decimal("2.20"), Decimal("1.89")],
        "H100": [Decimal("4.75"), Decimal("3.80"), Decimal("3.10")],
    }


def test_every_serverless_class_of_a_cloud_is_priced_or_missing_for_a_reason() -> None:
    unpriced_on_runpod = {"RTX-5090"}
    for gpu in catalog.gpus.values():
        assert (gpu.name in market.gpus("modal")) == (gpu.modal_id is not None), gpu.name
        if gpu.name not in unpriced_on_runpod:
            assert (gpu.name in market.gpus("runpod")) == (gpu.runpod_pool is not None), gpu.name


def test_classes_of_one_runpod_pool_cost_the_same() -> None:
    by_pool: dict[str, set[Decimal]] = {}
    for name in market.gpus("runpod"):
        by_pool.setdefault(catalog.gpu(name).runpod_pool or "", set()).add(
            market.usd_per_gpu_hour("runpod", name)
        )
    assert all(len(prices) == 1 for prices in by_pool.values())


def test_prices_name_their_source_and_date() -> None:
    price = market.gpu("runpod", "L4")
    assert "runpod" in price.source
    assert date.fromisoformat(price.date) <= date.fromisoformat(market.as_of)


def test_modal_bills_cpu_and_memory_and_multiplies_by_region() -> None:
    assert market.usd_per_core_hour("modal") == Decimal("0.04716")
    assert market.usd_per_vcpu_hour("modal") == Decimal("0.02358")
    assert market.usd_per_gib_hour("modal") == Decimal("0.007992")
    assert market.usd_per_gib_hour("runpod") == 0
    assert market.multiplier("modal", "region_narrow") == Decimal("1.75")
    assert market.multiplier("runpod", "region_narrow") == 1
    assert market.usd_per_gib_month("runpod") == Decimal("0.07")


def test_what_is_not_sold_is_named_with_what_is() -> None:
    with pytest.raises(PriceMissing, match="T4 on runpod") as caught:
        market.usd_per_gpu_hour("runpod", "T4")
    assert "L4" in caught.value.wanted
    with pytest.raises(PriceMissing, match="pod_secure"):
        market.usd_per_gpu_hour("modal", "L4", "pod_secure")
    with pytest.raises(PriceMissing, match="cpu"):
        catalog.prices("seed-2026").usd_per_vcpu_hour("runpod")


def test_an_unknown_book_names_those_that_exist() -> None:
    with pytest.raises(PilotlightError) as caught:
        catalog.prices("2031-01")
    assert caught.value.wanted == "one of: market-2026-11, seed-2026"


def test_a_book_knows_its_age() -> None:
    assert market.age_days(date(2026, 12, 24)) == 30
    assert market.age_days(date.fromisoformat(market.as_of)) == 0


def test_regions_multiply_and_an_unknown_one_is_narrow() -> None:
    assert market.region_multiplier("modal", []) == 1
    assert market.region_multiplier("modal", ["us"]) == Decimal("1.5")
    assert market.region_multiplier("modal", ["us", "us-east-1"]) == Decimal("1.75")
    assert market.region_multiplier("runpod", ["EU-RO-1"]) == 1


def test_object_storage_has_requests_and_egress() -> None:
    assert market.object_storage("r2", "egress").usd == 0
    assert market.object_storage("s3", "egress").usd == Decimal("0.09")
    assert "verify" in market.object_storage("s3", "class_a").source
    with pytest.raises(PriceMissing):
        market.object_storage("r2", "teleport")
    with pytest.raises(PriceMissing):
        catalog.prices("seed-2026").object_storage("r2", "egress")


@pytest.mark.parametrize("book", ["market-2026-11", "seed-2026"])
def test_the_guides_machine_costs_35_000_a_year(book: str) -> None:
    hourly = catalog.prices(book).usd_per_gpu_hour("traditional", "H100", "vm")
    assert abs(hourly * 8760 - 35_000) < 1
