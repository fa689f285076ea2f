"""GPU classes: names, nearest names, and RunPod's pools with their exclusions."""

import pytest

from infra.catalog import UnknownGpu, load

catalog = load()


@pytest.mark.parametrize(
    "name",
    ["T4", "L4", "A10G", "A100-40GB", "A100-80GB", "L40S", "H100", "H200", "B200", "RTX-4090", "A40", "L40"],
)
def test_canonical_classes_have_memory_and_an_id_or_a_reason_in_each_cloud(name: str) -> None:
    gpu = catalog.gpu(name)
    assert gpu.vram_gib >= 16
    assert gpu.modal_id or gpu.modal_reason
    assert (gpu.runpod_pool and gpu.runpod_type_ids) or gpu.runpod_reason


def test_every_class_that_a_cloud_lacks_says_why() -> None:
    for gpu in catalog.gpus.values():
        assert bool(gpu.modal_id) != bool(gpu.modal_reason), gpu.name
        assert bool(gpu.runpod_pool) != bool(gpu.runpod_reason), gpu.name
        assert bool(gpu.runpod_pool) == bool(gpu.runpod_type_ids), gpu.name


@pytest.mark.parametrize(
    ("typo", "wanted"),
    [
        ("H1000", "H100"),
        ("l40s", "L40S"),
        ("A100", "A100-80GB"),
        ("RTX4090", "RTX-4090"),
        ("NVIDIA L40", "L40"),
    ],
)
def test_unknown_class_offers_the_nearest_names(typo: str, wanted: str) -> None:
    assert wanted in catalog.suggest_gpu(typo)
    with pytest.raises(UnknownGpu) as caught:
        catalog.gpu(typo)
    assert typo in str(caught.value)
    assert wanted in caught.value.fix


def test_a_name_near_nothing_lists_all_classes() -> None:
    with pytest.raises(UnknownGpu) as caught:
        catalog.gpu("zzzz")
    assert caught.value.fix == ""
    assert "L40S" in caught.value.wanted


def test_aliases_lead_to_the_canonical_class() -> None:
    assert catalog.gpu("A10") is catalog.gpu("A10G")
    assert catalog.gpu("4090").name == "RTX-4090"


def test_no_two_classes_share_an_alias_or_shadow_a_name() -> None:
    aliases = [alias for gpu in catalog.gpus.values() for alias in gpu.aliases]
    assert len(aliases) == len(set(aliases))
    assert not set(aliases) & set(catalog.gpus)


def test_selection_excludes_the_pool_mates_of_the_wanted_class() -> None:
    selection = catalog.runpod_selection(["L4"])
    assert selection.pools == ("AMPERE_24",)
    assert set(selection.excluded_types) == {"NVIDIA GeForce RTX 3090", "NVIDIA RTX A5000"}


def test_selection_of_whole_pools_excludes_nothing() -> None:
    assert catalog.runpod_selection(["H100"]).excluded_types == ()
    assert set(catalog.runpod_selection(["L40", "L40S"]).excluded_types) == {"NVIDIA RTX 6000 Ada Generation"}


def test_selection_of_two_pools_keeps_their_order() -> None:
    assert catalog.runpod_selection(["H200", "L4"]).pools == ("HOPPER_141", "AMPERE_24")


def test_selection_of_a_class_that_runpod_lacks_says_why_and_what_fits() -> None:
    with pytest.raises(UnknownGpu, match="offers no T4") as caught:
        catalog.runpod_selection(["T4"])
    assert "RTX-A4000" in caught.value.fix


@pytest.mark.parametrize(
    ("type_id", "name"),
    [
        ("NVIDIA RTX A4500", "RTX-A4500"),
        ("NVIDIA  RTX A4500", "RTX-A4500"),
        ("NVIDIA  A30", "A30"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
    ],
)
def test_a_type_id_from_the_api_leads_back_to_its_narrowest_class(type_id: str, name: str) -> None:
    found = catalog.gpu_of_runpod_type(type_id)
    assert found is not None
    assert found.name == name


def test_a_card_that_nobody_listed_is_no_error() -> None:
    assert catalog.gpu_of_runpod_type("NVIDIA Z9") is None
