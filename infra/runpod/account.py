"""What a provider process holds of a RunPod account: one client, one rate budget, one listing of each kind."""

from infra.runpod.client import RunPodClient
from infra.runpod.collection import Collection
from infra.runpod.graphql import GraphQL, Secrets
from infra.runpod.market import Market
from infra.runpod.pods import Pods
from infra.runpod.serverless import Serverless


class Account:
    """`graphql`: whether RunPod's GraphQL API, which retires in 2027, may be called for what REST v2 lacks."""

    def __init__(self, client: RunPodClient, *, graphql: bool = True) -> None:
        self.client = client
        self.endpoints = Serverless(client)
        self.templates = Collection(client, "/v2/templates", "templates", "template")
        self.volumes = Collection(client, "/v2/network-volumes", "networkVolumes", "network volume")
        self.registries = Collection(client, "/v2/registries", "registries", "registry credential")
        self.pods = Pods(client)
        self.market = Market(client)
        self.secrets = Secrets(GraphQL(client, enabled=graphql))
