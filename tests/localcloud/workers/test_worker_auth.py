"""Who may speak the worker protocol, and what a worker finds in its environment."""

import asyncio
from dataclasses import replace

import pytest

from infra.localcloud.runpod.workers.images import UnpackedImage


@pytest.mark.parametrize("path", ["job-take", "job-take-batch", "job-stop", "ping", "job-done", "job-stream"])
def test_only_the_worker_itself_may_speak_for_it(played, path):
    async def test(cloud):
        await cloud.apply(workers_min=2)
        one, other = await cloud.actor(1), await cloud.actor(2)
        method = "POST" if path in ("job-done", "job-stream") else "GET"
        operation = f"{path}/{one.worker.id}" + ("/some-job" if method == "POST" else "") + "?gpu=x"
        for key in ("", "local-key", other.worker.env["RUNPOD_AI_API_KEY"]):
            await cloud.call(
                method, operation, {"output": 1} if method == "POST" else None, key=key, expect=401
            )
        nobody = operation.replace(one.worker.id, "nobody")
        await cloud.call(method, nobody, key=one.worker.env["RUNPOD_AI_API_KEY"], expect=401)

    played(test)


def test_the_token_of_a_worker_that_ended_opens_nothing(played):
    async def test(cloud):
        await cloud.apply(workers_min=1)
        worker, poll = await cloud.ready()
        await cloud.apply(workers_min=0, workers_max=0)
        assert await poll == (204, None)
        await cloud.until(lambda: cloud.views() == [])
        assert (await worker.get("job-take"))[0] == 401

    played(test)


def test_a_worker_cannot_end_another_workers_job(played):
    async def test(cloud):
        await cloud.apply(workers_min=2)
        (_, first), (other, _) = await cloud.ready(1), await cloud.ready(2)
        job = await cloud.run(1)
        await asyncio.wait([first], timeout=5)
        assert await other.done(job, {"output": "forged"}) == 200
        assert (await cloud.status(job))["status"] == "IN_PROGRESS"

    played(test)


@pytest.mark.parametrize("body", ["[1]", "nope", ""])
def test_a_result_that_is_not_an_object_is_refused(played, body):
    async def test(cloud):
        await cloud.apply()
        job = await cloud.run(1)
        worker = await cloud.actor()
        await worker.take()
        operation = f"job-done/{worker.worker.id}/{job}?gpu=x"
        key = worker.worker.env["RUNPOD_AI_API_KEY"]
        await cloud.call("POST", operation, body.encode(), key=key, expect=400)
        assert (await cloud.status(job))["status"] == "IN_PROGRESS"

    played(test)


def test_a_worker_gets_what_it_needs_and_nothing_of_the_daemons(played, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_of_the_developer")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")

    async def test(cloud):
        await cloud.apply(env={"GREETING": "hi", "HOME": "/root", "RUNPOD_POD_ID": "forged"}, workers_min=1)
        env = (await cloud.actor()).worker.env
        assert env["GREETING"] == "hi"
        assert env["RUNPOD_ENDPOINT_ID"] == cloud.record.id
        assert env["RUNPOD_POD_ID"] == cloud.views()[0].id
        assert env["HOME"].endswith(f"cloud/workers/{env['RUNPOD_POD_ID']}/home")
        assert env["AWS_ACCESS_KEY_ID"] == "local"
        assert env["PILOTLIGHT_CACHE"].endswith("cloud/host-cache")
        assert "NVIDIA+L4" in env["RUNPOD_WEBHOOK_GET_JOB"]
        assert not {"RUNPOD_API_KEY", "PULUMI_CONFIG_PASSPHRASE", "USER", "VIRTUAL_ENV"} & set(env)

    played(test)


def test_a_worker_with_storage_of_its_own_gets_none_of_ours(played):
    async def test(cloud):
        await cloud.apply(env={"AWS_ENDPOINT_URL_S3": "https://s3.example"}, workers_min=1)
        env = (await cloud.actor()).worker.env
        assert [name for name in env if name.startswith("AWS_")] == ["AWS_ENDPOINT_URL_S3"]

    played(test)


def test_args_take_the_place_of_the_images_command(tmp_path):
    image = UnpackedImage(
        digest="",
        root=tmp_path,
        python=tmp_path / "python",
        entrypoint=("python3", "-u", "/app/rp_handler.py"),
        command=("--default", "/data"),
        cwd=tmp_path,
        env={},
    )
    start = [str(tmp_path / "python"), "-u", str(tmp_path / "app/rp_handler.py")]
    assert image.argv("") == [*start, "--default", str(tmp_path / "data")]
    assert image.argv("--name 'two words'") == [*start, "--name", "two words"]
    assert replace(image, command=()).argv("") == start
