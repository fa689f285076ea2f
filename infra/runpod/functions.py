"""What a program can ask of RunPod: GPU classes with price and stock, data centers, CPU flavors, bills, an endpoint by name."""

from enum import Enum
from typing import Any, ClassVar

from infra.kit import Function, InvokeContext, Model, prop
from infra.runpod.account import Account
from infra.runpod.client import Patience
from infra.runpod.errors import Missing, Rejected
from infra.spec.nearest import nearest


class Product(Enum):
    SERVERLESS = "SERVERLESS"
    POD = "POD"


class Place(Model):
    """A data center and how much it has: NONE, LOW, MEDIUM or HIGH."""

    id: str = prop(desc="Data center.")
    availability: str = prop(desc="NONE, LOW, MEDIUM or HIGH.")


class GpuClass(Model):
    id: str = prop(desc="GPU type id, for pods and for excluded_types.")
    name: str = prop(desc="Name as RunPod shows it.")
    pool: str | None = prop(None, desc="Serverless pool that it is in.")
    memory_gb: int = prop(desc="Memory of one GPU in GB.")
    serverless_usd_per_hour: float | None = prop(None, desc="List price of one GPU in a serverless worker.")
    secure_usd_per_hour: float | None = prop(
        None, desc="List price of one GPU in a pod on RunPod's machines."
    )
    community_usd_per_hour: float | None = prop(None, desc="List price of one GPU in a pod of the community.")
    availability: str = prop("NONE", desc="Stock over all data centers: NONE, LOW, MEDIUM or HIGH.")
    data_centers: list[Place] = prop([], desc="Where it is offered, and its stock there.")


class GpuClassesArgs(Model):
    product: Product = prop(Product.SERVERLESS, desc="Whose stock: of workers or of pods.")
    pool: str | None = prop(None, desc="Only those of this serverless pool.")
    in_stock: bool = prop(False, desc="Only those that are not sold out everywhere.")
    data_center: str | None = prop(None, desc="Only those that this data center offers.")


class GpuClasses(Model):
    gpus: list[GpuClass] = prop(desc="GPU types, cheapest first.")


class GetGpuClasses(Function[Account]):
    Args: ClassVar = GpuClassesArgs
    Result: ClassVar = GpuClasses
    desc: ClassVar = "GPU types with price and stock, as RunPod has them now."

    async def call(self, ctx: InvokeContext[Account], args: GpuClassesArgs) -> GpuClasses:
        serverless = args.product is Product.SERVERLESS
        found = []
        for raw in await ctx.client.market.gpus(Patience(say=ctx.status), args.product.value):
            gpu = _gpu(raw)
            offered = {place.id: place.availability for place in gpu.data_centers}
            if args.pool is not None and gpu.pool != args.pool:
                continue
            if serverless and gpu.pool is None:
                continue
            if args.data_center is not None and args.data_center not in offered:
                continue
            stock = offered[args.data_center] if args.data_center else gpu.availability
            if args.in_stock and stock == "NONE":
                continue
            found.append(gpu)
        price = "serverless_usd_per_hour" if serverless else "secure_usd_per_hour"
        found.sort(key=lambda gpu: (getattr(gpu, price) or float("inf"), gpu.id))
        return GpuClasses(gpus=found)


class DataCenter(Model):
    id: str = prop(desc="Data center.")
    name: str = prop(desc="Name as RunPod shows it.")
    region: str = prop(desc="Part of the world.")
    network_volume_types: list[str] = prop([], desc="Tiers of network volumes; empty = none there.")
    compliance: list[str] = prop([], desc="Certifications.")
    global_network: bool = prop(desc="Whether pods there can have a private address.")
    gpus: dict[str, str] = prop({}, desc="GPU type id -> stock.")
    cpus: dict[str, str] = prop({}, desc="CPU flavor -> stock.")


class DataCentersArgs(Model):
    network_volumes: bool = prop(False, desc="Only those that have network volumes.")


class DataCenters(Model):
    data_centers: list[DataCenter] = prop(desc="Data centers by id.")


class GetDataCenters(Function[Account]):
    Args: ClassVar = DataCentersArgs
    Result: ClassVar = DataCenters
    desc: ClassVar = "RunPod's data centers, with what each has in stock now."

    async def call(self, ctx: InvokeContext[Account], args: DataCentersArgs) -> DataCenters:
        found = [
            DataCenter(
                id=raw["id"],
                name=raw["name"],
                region=raw["region"],
                network_volume_types=raw.get("networkVolumeTypes") or [],
                compliance=raw.get("compliance") or [],
                global_network=raw["globalNetwork"],
                gpus={one["id"]: one["availability"] for one in raw.get("gpuAvailability") or []},
                cpus={one["id"]: one["availability"] for one in raw.get("cpuAvailability") or []},
            )
            for raw in await ctx.client.market.data_centers(Patience(say=ctx.status))
            if raw.get("networkVolumeTypes") or not args.network_volumes
        ]
        return DataCenters(data_centers=sorted(found, key=lambda one: one.id))


class CpuFlavor(Model):
    id: str = prop(desc="CPU flavor.")
    name: str = prop(desc="Name as RunPod shows it.")
    group: str = prop(desc="Generation.")
    min_vcpu: int = prop(desc="Fewest vCPUs.")
    max_vcpu: int = prop(desc="Most vCPUs.")
    ram_gb_per_vcpu: float = prop(desc="Memory for each vCPU.")
    pod_usd_per_vcpu_hour: float = prop(desc="List price of a vCPU in a pod.")
    serverless_usd_per_vcpu_hour: float = prop(desc="List price of a vCPU in a serverless worker.")
    availability: str = prop("NONE", desc="Stock over all data centers.")
    data_centers: list[Place] = prop([], desc="Where it is offered, and its stock there.")


class CpuFlavorsArgs(Model):
    product: Product = prop(Product.SERVERLESS, desc="Whose stock: of workers or of pods.")


class CpuFlavors(Model):
    flavors: list[CpuFlavor] = prop(desc="CPU flavors by id.")


class GetCpuFlavors(Function[Account]):
    Args: ClassVar = CpuFlavorsArgs
    Result: ClassVar = CpuFlavors
    desc: ClassVar = "CPU flavors with price and stock, as RunPod has them now."

    async def call(self, ctx: InvokeContext[Account], args: CpuFlavorsArgs) -> CpuFlavors:
        found = [
            CpuFlavor(
                id=raw["id"],
                name=raw["name"],
                group=raw["group"],
                min_vcpu=raw["vcpu"]["min"],
                max_vcpu=raw["vcpu"]["max"],
                ram_gb_per_vcpu=raw["ramGbPerVcpu"],
                pod_usd_per_vcpu_hour=raw["price"]["securePerVcpu"],
                serverless_usd_per_vcpu_hour=raw["price"]["serverlessPerVcpu"],
                availability=raw.get("availability") or "NONE",
                data_centers=_places(raw),
            )
            for raw in await ctx.client.market.cpus(Patience(say=ctx.status), args.product.value)
        ]
        return CpuFlavors(flavors=sorted(found, key=lambda one: one.id))


class EndpointArgs(Model):
    name: str = prop(desc="Name in RunPod's console.")


class FoundEndpoint(Model):
    id: str = prop(desc="Id.")
    name: str = prop(desc="Name.")
    type: str = prop(desc="QUEUE or LOAD_BALANCER.")
    image: str = prop(desc="Container image.")
    url: str = prop(desc="Where to send a job and wait for its result; of a load balancer its root.")
    request_urls: dict[str, str] = prop(desc="Every URL, by RunPod's name for it.")
    created_at: str = prop(desc="When it was created (ISO 8601).")


class GetEndpoint(Function[Account]):
    Args: ClassVar = EndpointArgs
    Result: ClassVar = FoundEndpoint
    desc: ClassVar = "An endpoint that is there already, by its name."

    async def call(self, ctx: InvokeContext[Account], args: EndpointArgs) -> FoundEndpoint:
        everything = await ctx.client.endpoints.all(Patience(say=ctx.status))
        found = [raw for raw in everything if raw["name"] == args.name]
        if not found:
            close = nearest(args.name, [raw["name"] for raw in everything], 2)
            hint = f"did you mean {' or '.join(close)}?" if close else "see the console for the names"
            raise Missing(f'RunPod has no endpoint named "{args.name}"', fix=hint)
        if len(found) > 1:
            ids = ", ".join(raw["id"] for raw in found)
            raise Rejected(
                f'{len(found)} endpoints are named "{args.name}": {ids}',
                fix="give the one that you mean a name of its own",
            )
        (raw,) = found
        urls: dict[str, str] = raw["requestUrls"]
        return FoundEndpoint(
            id=raw["id"],
            name=raw["name"],
            type=raw["type"],
            image=raw.get("image") or "",
            url=urls.get("runSync") or urls["base"],
            request_urls=urls,
            created_at=raw["createdAt"],
        )


def _gpu(raw: dict[str, Any]) -> GpuClass:
    price = raw.get("price") or {}
    return GpuClass(
        id=raw["id"],
        name=raw["name"],
        pool=raw.get("pool"),
        memory_gb=raw["memory"],
        serverless_usd_per_hour=price.get("serverless"),
        secure_usd_per_hour=price.get("secure"),
        community_usd_per_hour=price.get("community"),
        availability=raw.get("availability") or "NONE",
        data_centers=_places(raw),
    )


def _places(raw: dict[str, Any]) -> list[Place]:
    return [Place(id=one["id"], availability=one["availability"]) for one in raw.get("dataCenters") or []]
