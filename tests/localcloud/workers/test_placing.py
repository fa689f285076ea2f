"""Where a worker may start: stock, data centers, volumes, the account's limit; and what it is given there."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.localcloud.core import namespace
from infra.localcloud.core.settings import Settings
from infra.localcloud.runpod.workers.placement import Place, find

L4, SECOND, ADA = "NVIDIA L4", "NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 4090"
PLACES = {"vol-ro": "EU-RO-1", "vol-us": "US-KS-2"}


def place(record, stock=None, **changes):
    settings = Settings.model_validate({"stock": stock or {}})
    return find(replace(record, **changes), settings, PLACES.get)


@pytest.mark.parametrize(
    ("changes", "stock", "wanted"),
    [
        ({}, {}, Place(L4, "EU-RO-1")),
        ({"excluded_types": (L4,)}, {}, Place(SECOND, "EU-RO-1")),
        ({}, {"EU-RO-1": {L4: "NONE"}}, Place(L4, "CA-MTL-1")),
        ({"data_center_ids": ("EU-RO-1",)}, {"EU-RO-1": {L4: "NONE"}}, Place(SECOND, "EU-RO-1")),
        ({"gpu_pools": ("AMPERE_24", "ADA_24")}, {"*": {"AMPERE_24": "NONE"}}, Place(ADA, "EU-RO-1")),
        ({"network_volumes": ("vol-us",)}, {}, Place(L4, "US-KS-2", "vol-us")),
        (
            {"network_volumes": ("vol-ro", "vol-us"), "data_center_ids": ("US-KS-2", "US-TX-3")},
            {},
            Place(L4, "US-KS-2", "vol-us"),
        ),
        (
            {"network_volumes": ("vol-ro", "vol-us")},
            {"EU-RO-1": {"AMPERE_24": "NONE"}},
            Place(L4, "US-KS-2", "vol-us"),
        ),
        ({"gpu_pools": (), "cpu": ({"id": "cpu3c", "vcpuCount": 2},)}, {}, Place(None, "EU-RO-1")),
    ],
)
def test_the_first_type_in_stock_where_the_endpoint_may_be(base_record, changes, stock, wanted):
    found = place(base_record, stock, **changes)
    if wanted.data_center_id == "CA-MTL-1":  # any other one
        assert isinstance(found, Place)
        assert (found.gpu_type_id, found.data_center_id == "EU-RO-1") == (L4, False)
        return
    assert found == wanted


@pytest.mark.parametrize(
    ("changes", "stock", "words"),
    [
        ({}, {"*": {"*": "NONE"}}, "no machine free for AMPERE_24 in EU-RO-1"),
        ({"network_volumes": ("vol-us",)}, {"US-KS-2": {"*": "NONE"}}, "AMPERE_24 in US-KS-2 now"),
        (
            {"network_volumes": ("vol-us",), "data_center_ids": ("EU-RO-1",)},
            {},
            "EU-RO-1 has a network volume",
        ),
        ({"gpu_pools": (), "cpu": ({"id": "cpu5c"},)}, {"EU-RO-1": {"cpu5c": "NONE"}}, "this CPU flavor"),
    ],
)
def test_or_the_reason_why_there_is_none(base_record, changes, stock, words):
    assert words in place(base_record, stock, **changes)


def test_a_stock_out_throttles_until_there_is_stock_again(played):
    async def test(cloud):
        await cloud.apply()
        await cloud.run(1)
        await cloud.until(lambda: cloud.statuses() == ["THROTTLED"])
        assert "no machine free for AMPERE_24" in cloud.views()[0].reason
        cloud.settings.update({"stock": {"*": {"AMPERE_24": "LOW"}}})
        cloud.fleet.settings_changed()
        await cloud.stage.started(1)
        assert cloud.views()[0].gpu_type_id == L4

    played(test, set_={"stock": {"*": {"AMPERE_24": "NONE"}}})


def test_the_account_may_have_so_many_workers(played):
    async def test(cloud):
        await cloud.apply(workers_min=3)
        await cloud.stage.started(2)
        assert cloud.statuses() == ["INITIALIZING", "INITIALIZING", "THROTTLED"]
        (reason,) = [view.reason for view in cloud.views() if view.reason]
        assert reason == "the account has 2 workers, and may have 2"
        cloud.stage.workers[0].exit(1)
        await cloud.clock.advance(10)
        await cloud.stage.started(3)

    played(test, set_={"account_workers": 2})


class Secrets:
    def __init__(self, **values):
        self.values = values

    def secret(self, name):
        return self.values.get(name)


def test_secrets_are_put_in_when_a_worker_starts_and_never_told(played):
    secrets = Secrets(hf="s3cr3t-value")

    async def test(cloud):
        await cloud.apply(
            env={"TOKEN": "Bearer {{ RUNPOD_SECRET_hf }}", "PLAIN": "{{ other }}"}, workers_min=1
        )
        (worker,) = await cloud.stage.started(1)
        assert worker.env["TOKEN"] == "Bearer s3cr3t-value"
        assert worker.env["PLAIN"] == "{{ other }}"
        await cloud.apply(env={"TOKEN": "{{ RUNPOD_SECRET_gone }}"}, version=2)
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        (reason,) = [view.reason for view in cloud.views() if view.reason]
        assert "TOKEN refers to the secret 'gone', which does not exist" in reason
        secrets.values["gone"] = "found-value"
        await cloud.clock.advance(60)
        workers = await cloud.stage.started(2)
        assert workers[1].env["TOKEN"] == "found-value"
        logs = "".join(path.read_text() for path in cloud.fleet._logs.rglob("*.log"))
        assert "s3cr3t-value" not in logs
        assert "found-value" not in logs

    played(test, secrets=secrets)


class Volumes:
    def __init__(self, root):
        self.root = root

    def path(self, volume_id):
        if not (self.root / volume_id).is_dir():
            raise KeyError(volume_id)
        return self.root / volume_id


READS = """
import os, pathlib
import runpod

def handler(job):
    here = pathlib.Path("/runpod-volume/word")
    before = here.read_text()
    here.write_text(job["input"])
    return [before, os.environ["RUNPOD_VOLUME_ID"], os.environ["RUNPOD_DC_ID"], os.getppid()]

runpod.serverless.start({"handler": handler})
"""


@pytest.mark.xdist_group("workers")
@pytest.mark.skipif(bool(namespace.refusal()), reason=f"no mount namespaces: {namespace.refusal()}")
def test_a_worker_finds_its_network_volume_forked_or_not(real, tmp_path):
    (tmp_path / "volumes" / "vol-us").mkdir(parents=True)
    word = tmp_path / "volumes" / "vol-us" / "word"
    word.write_text("first")

    async def test(cloud):
        await cloud.apply(network_volumes=("vol-us",), idle_timeout_s=3600)
        answer = await cloud.call("POST", "runsync", {"input": "second"})
        assert answer["output"][:3] == ["first", "vol-us", "US-KS-2"]
        assert word.read_text() == "second"
        await cloud.apply(flashboot="FLASHBOOT", version=2)
        await cloud.until(lambda: cloud.fleet._flashboot._zygotes)
        (zygote,) = cloud.fleet._flashboot._zygotes.values()
        assert await zygote.warmed()
        answer = await cloud.call("POST", "runsync", {"input": "third"})
        assert answer["output"][0] == "second"
        assert answer["output"][3] == zygote._popen.pid
        assert not Path("/runpod-volume").exists()
        word.unlink()
        word.parent.rmdir()
        await cloud.apply(version=3, flashboot="OFF")
        await cloud.run("fourth")
        await cloud.until(lambda: any("vol-us is gone" in view.reason for view in cloud.views()))

    real(READS, test, volumes=Volumes(tmp_path / "volumes"), volume_place=PLACES.get)


def test_without_mount_namespaces_a_volume_is_refused(played, tmp_path, monkeypatch):
    monkeypatch.setattr(namespace, "refusal", lambda: "this kernel allows none")

    async def test(cloud):
        await cloud.apply(network_volumes=("vol-us",), workers_min=1)
        await cloud.until(lambda: "UNHEALTHY" in cloud.statuses())
        (reason,) = {view.reason for view in cloud.views() if view.reason}
        assert "vol-us cannot be mounted at /runpod-volume here: this kernel allows none" in reason
        assert cloud.stage.workers == []

    played(test, volumes=Volumes(tmp_path), volume_place=PLACES.get)
