"""Runs inside runpod-flash's own environment: what flash does, and what came back, as one JSON object."""

import asyncio
import json
import logging
import sys

from runpod_flash.core.api.runpod import RunpodGraphQLClient
from runpod_flash.core.resources.cpu import CpuInstanceType
from runpod_flash.core.resources.datacenter import DataCenter
from runpod_flash.core.resources.gpu import GpuGroup
from runpod_flash.core.resources.network_volume import NetworkVolume
from runpod_flash.core.resources.serverless import ServerlessEndpoint
from runpod_flash.core.resources.serverless_cpu import CpuServerlessEndpoint

logging.disable(logging.CRITICAL)


async def calls(client):
    said = {}
    template = await client.update_template(
        {
            "name": "flash-template",
            "imageName": "img:1",
            "containerDiskInGb": 20,
            "dockerArgs": "",
            "env": [{"key": "A", "value": 'quo"te'}],
            "volumeInGb": 0,
            "isServerless": True,
        }
    )
    said["template"] = await client.get_template(template["id"])
    endpoint = await client.save_endpoint(
        {
            "name": "flash",
            "templateId": template["id"],
            "gpuIds": "ADA_24",
            "idleTimeout": 60,
            "workersMax": 2,
        }
    )
    said["made"] = endpoint
    said["replaced"] = await client.save_endpoint(
        {"id": endpoint["id"], "name": "flash", "templateId": template["id"], "gpuIds": "AMPERE_24"}
    )
    said["exists"] = await client.endpoint_exists(endpoint["id"])
    said["deleted"] = await client.delete_endpoint(endpoint["id"])
    said["exists_then"] = await client.endpoint_exists(endpoint["id"])
    said["gpu_stock"] = await client.get_gpu_lowest_price_stock_status("NVIDIA L4", 1)
    said["gpu_stock_out"] = await client.get_gpu_lowest_price_stock_status("NVIDIA L4", 1, "EU-RO-1")
    said["cpu_stock"] = await client.get_cpu_specific_stock_status("cpu5c", "cpu5c-4-8", "EU-RO-1")
    app = await client.create_flash_app({"name": "shop"})
    environment = await client.create_flash_environment({"flashAppId": app["id"], "name": "dev"})
    said["app"] = await client.get_flash_app_by_name("shop")
    said["environment"] = await client.get_flash_environment({"flashEnvironmentId": environment["id"]})
    said["apps"] = await client.list_flash_apps()
    said["builds"] = await client.list_flash_builds_by_app_id(app["id"])
    said["environment_gone"] = await client.delete_flash_environment(environment["id"])
    said["app_gone"] = await client.delete_flash_app(app["id"])
    try:
        await client.prepare_artifact_upload({"flashAppId": app["id"], "tarballSize": 1})
    except Exception as error:
        said["no_builds"] = str(error)
    return said


async def resources():
    """What `flash deploy` makes of a program's resources."""
    gpu = ServerlessEndpoint(
        name="gpu-worker",
        imageName="img:2",
        gpus=[GpuGroup.ADA_24],
        env={"B": "2"},
        workersMax=2,
        datacenter=[DataCenter.EU_RO_1],
        networkVolume=NetworkVolume(name="cache", size=20, datacenter=DataCenter.EU_RO_1),
    )
    deployed = await gpu._do_deploy()
    cpu = CpuServerlessEndpoint(
        name="cpu-worker", imageName="img:3", instanceIds=[CpuInstanceType.CPU3C_2_4], workersMax=1
    )
    also = await cpu._do_deploy()
    return {"gpu": deployed.id, "cpu": also.id}


async def main():
    async with RunpodGraphQLClient() as client:
        said = await calls(client)
    said["deployed"] = await resources()
    sys.stdout.write(json.dumps(said))


asyncio.run(main())
