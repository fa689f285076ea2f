"""Bills: by the second, at the catalog's price, cut into buckets."""

from typing import Any

import pytest

from infra.localcloud.runpod.model import Usage, WorkerStatus
from tests.localcloud.rest.fakes import CPU, Cloud, worker

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z, a Friday
MIDNIGHT = NOW - 8 * 3600
L4 = 0.00019


def used(
    cloud: Cloud, start: float, stop: float, *, endpoint: str = "e", gpu: str | None = "NVIDIA L4"
) -> None:
    usage = Usage(endpoint, f"w{start}", gpu, 1 if gpu else 0, 0 if gpu else 4, start, stop)
    cloud.service.meter.record(usage)


async def bill(cloud: Cloud, query: str = "", path: str = "/v2/billing/serverless") -> dict[str, Any]:
    status, listed = await cloud.call("GET", f"{path}?{query}")
    assert status == 200, listed
    return dict(listed)


async def test_a_started_second_is_billed_in_full(cloud: Cloud) -> None:
    used(cloud, NOW - 100, NOW - 97.8)
    listed = await bill(cloud)
    amounts = {
        "totalAmount": pytest.approx(3 * L4),
        "gpuAmount": pytest.approx(3 * L4),
        "cpuAmount": 0,
        "diskAmount": 0,
        "feeAmount": 0,
    }
    assert listed == {
        "records": [
            {"startTime": "2027-01-15T00:00:00Z", "endTime": "2027-01-16T00:00:00Z", "serverlessId": "e"}
            | amounts
        ],
        "metadata": {
            "query": {
                "startTime": "2026-12-16T00:00:00Z",
                "endTime": "2027-01-16T00:00:00Z",
                "bucketSize": "day",
                "serverlessId": None,
            },
            "recordCount": 1,
            "uniqueServerlessCount": 1,
            "totals": amounts,
        },
    }


async def test_usage_over_midnight_falls_into_both_days(cloud: Cloud) -> None:
    used(cloud, MIDNIGHT - 10, MIDNIGHT + 4.5)
    records = (await bill(cloud, "lastN=2"))["records"]
    assert [(r["startTime"], r["totalAmount"]) for r in records] == [
        ("2027-01-14T00:00:00Z", pytest.approx(10 * L4)),
        ("2027-01-15T00:00:00Z", pytest.approx(5 * L4)),
    ]
    assert len((await bill(cloud, "lastN=1"))["records"]) == 1


async def test_what_still_runs_counts_and_what_only_starts_does_not(cloud: Cloud) -> None:
    made = await cloud.make()
    _, on_cpu = await cloud.call("POST", "/v2/serverless", CPU)
    cloud.staff(
        made["id"],
        worker("busy", WorkerStatus.RUNNING, started_at=NOW - 20),
        worker("boots", WorkerStatus.INITIALIZING, started_at=NOW - 50),
        worker("waits", WorkerStatus.THROTTLED, started_at=NOW - 50),
        worker("broken", WorkerStatus.UNHEALTHY, started_at=NOW - 50),
    )
    cloud.staff(on_cpu["id"], worker("cpu", gpu_type_id=None, gpu_count=0, started_at=NOW - 3600))
    totals = (await bill(cloud))["metadata"]["totals"]
    assert totals["gpuAmount"] == pytest.approx(20 * L4)
    assert totals["cpuAmount"] == pytest.approx(4 * 0.03)
    await cloud.clock.advance(5)
    assert (await bill(cloud))["metadata"]["totals"]["gpuAmount"] == pytest.approx(25 * L4)


async def test_a_deleted_endpoint_stays_on_the_bill(cloud: Cloud) -> None:
    made = await cloud.make()
    used(cloud, NOW - 10, NOW, endpoint=made["id"])
    await cloud.call("DELETE", f"/v2/serverless/{made['id']}")
    assert (await bill(cloud))["records"][0]["serverlessId"] == made["id"]


async def test_one_endpoint_alone(cloud: Cloud) -> None:
    used(cloud, NOW - 10, NOW, endpoint="a")
    used(cloud, NOW - 20, NOW, endpoint="b")
    listed = await bill(cloud, "serverlessId=b")
    assert [record["serverlessId"] for record in listed["records"]] == ["b"]
    assert listed["metadata"]["query"]["serverlessId"] == "b"
    assert (await bill(cloud))["metadata"]["uniqueServerlessCount"] == 2


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("bucketSize=hour&lastN=1", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z"),
        ("bucketSize=week&lastN=1", "2027-01-11T00:00:00Z", "2027-01-18T00:00:00Z"),
        ("bucketSize=month&lastN=3", "2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ("bucketSize=year&lastN=2", "2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        (
            "startTime=2027-01-02T10:00:00Z&endTime=2027-01-04T00:00:00Z",
            "2027-01-02T00:00:00Z",
            "2027-01-04T00:00:00Z",
        ),
        (
            "startTime=2027-01-02T10:00:00Z&endTime=2027-01-04T00:00:01Z",
            "2027-01-02T00:00:00Z",
            "2027-01-05T00:00:00Z",
        ),
    ],
)
async def test_windows_are_aligned_to_their_buckets(cloud: Cloud, query: str, start: str, end: str) -> None:
    window = (await bill(cloud, query))["metadata"]["query"]
    assert (window["startTime"], window["endTime"]) == (start, end)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lastN=1&startTime=2027-01-01T00:00:00Z", 400),
        ("startTime=2027-01-05T00:00:00Z&endTime=2027-01-04T00:00:00Z", 400),
        ("lastN=999999999999", 400),
        ("startTime=0001-01-01T00:00:00Z&bucketSize=week", 200),
        ("endTime=9999-12-31T23:00:00Z&bucketSize=year", 400),
        ("lastN=0", 422),
        ("bucketSize=minute", 422),
        ("startTime=today", 422),
    ],
)
@pytest.mark.parametrize("path", ["/v2/billing/serverless", "/v2/billing"])
async def test_windows_that_make_no_sense(cloud: Cloud, path: str, query: str, status: int) -> None:
    got, _ = await cloud.call("GET", f"{path}?{query}")
    assert got == status


async def test_the_whole_bill_is_the_serverless_bill(cloud: Cloud) -> None:
    used(cloud, NOW - 10, NOW, endpoint="a")
    used(cloud, NOW - 30, NOW - 20, endpoint="b", gpu=None)
    listed = await bill(cloud, path="/v2/billing")
    (record,) = listed["records"]
    assert record["serverlessGpuAmount"] == pytest.approx(10 * L4)
    assert record["serverlessCpuAmount"] == pytest.approx(10 * 4 * 0.03 / 3600)
    assert record["totalAmount"] == pytest.approx(
        record["serverlessGpuAmount"] + record["serverlessCpuAmount"]
    )
    assert record["podGpuAmount"] == record["clusterNetworkingAmount"] == 0


async def test_pods_are_billed_while_they_are_meant_to_run(cloud: Cloud) -> None:
    body = {"name": "p", "image": "i", "disk": 73, "gpu": {"id": "NVIDIA H200", "count": 2}}
    _, pod = await cloud.call("POST", "/v2/pods", body)
    await cloud.clock.advance(1800)
    await cloud.call("POST", f"/v2/pods/{pod['id']}/action", {"action": "stop"})
    await cloud.clock.advance(3600)
    await cloud.call("POST", f"/v2/pods/{pod['id']}/action", {"action": "start"})
    await cloud.clock.advance(1800)
    hourly = await bill(cloud, "bucketSize=hour&lastN=3", "/v2/billing/pods")
    assert [record["gpuAmount"] for record in hourly["records"]] == pytest.approx([4.59, 4.59])
    cloud.service.pods.ended(pod["id"])
    await cloud.clock.advance(7200)
    await cloud.call("DELETE", f"/v2/pods/{pod['id']}")
    totals = (await bill(cloud, "", "/v2/billing/pods"))["metadata"]["totals"]
    assert totals["gpuAmount"] == pytest.approx(2 * 4.59)
    assert totals["diskAmount"] == pytest.approx(73 * 0.10 / 730)
    assert (await bill(cloud, "podId=other", "/v2/billing/pods"))["records"] == []
    everything = (await bill(cloud, "", "/v2/billing"))["metadata"]["totals"]
    assert everything["podGpuAmount"] == totals["gpuAmount"]
    assert everything["totalAmount"] == pytest.approx(totals["totalAmount"])


async def test_volumes_are_billed_at_the_size_that_they_had(cloud: Cloud) -> None:
    body = {"name": "v", "size": 1000, "dataCenter": "EU-RO-1"}
    _, volume = await cloud.call("POST", "/v2/network-volumes", body)
    await cloud.clock.advance(3600)
    await cloud.call("PATCH", f"/v2/network-volumes/{volume['id']}", {"size": 1100})
    await cloud.clock.advance(3600)
    await cloud.call("DELETE", f"/v2/network-volumes/{volume['id']}")
    await cloud.clock.advance(3600)
    listed = await bill(cloud, f"networkVolumeId={volume['id']}", "/v2/billing/network-volumes")
    assert listed["metadata"]["totals"]["standardAmount"] == pytest.approx((70 + 75) / 730)
    assert listed["metadata"]["uniqueNetworkVolumeCount"] == 1


async def test_a_cluster_is_billed_as_one(cloud: Cloud) -> None:
    compute = {"gpuTypeId": "NVIDIA H200", "gpuCountPerPod": 8, "podCount": 2}
    body = {"name": "c", "type": "TRAINING", "image": "i", "compute": compute}
    _, cluster = await cloud.call("POST", "/v2/clusters", body)
    await cloud.clock.advance(3600)
    listed = await bill(cloud, "", "/v2/billing/clusters")
    assert [record["clusterId"] for record in listed["records"]] == [cluster["id"]]
    assert listed["metadata"]["totals"]["gpuAmount"] == pytest.approx(16 * 4.59)
    assert (await bill(cloud, "", "/v2/billing/pods"))["records"] == []


async def test_times_are_written_with_four_digits_of_year(cloud: Cloud) -> None:
    listed = await bill(cloud, "startTime=0878-02-06T00:00:00Z&bucketSize=year")
    assert listed["metadata"]["query"]["startTime"] == "0878-01-01T00:00:00Z"


@pytest.mark.parametrize("last", ["9" * 19, "9" * 300])
async def test_a_number_that_no_calendar_holds(cloud: Cloud, last: str) -> None:
    for size in ("hour", "year"):
        status, problem = await cloud.call("GET", f"/v2/billing?lastN={last}&bucketSize={size}")
        assert (status, problem["detail"]) == (400, "the billing window is out of range")
