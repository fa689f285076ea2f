"""An endpoint is found in the engine's state: its code's directory, its cloud, its version."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.cli import dev_state
from infra.cli.dev_state import NotDeployed, find

REF = "registry.pilotlight.internal/search@sha256:" + "a" * 64
MARKER = "4dabf18193072939515e22adb298388d"
SECRET = {MARKER: "1b47061264138c4ac30d75fd1eb44270"}


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::pilotlight::{kind}::{name}"


def resource(kind: str, name: str, parent: str = "", provider: str = "", **more: Any) -> dict[str, Any]:
    return {
        "urn": urn(kind, name),
        "type": kind.rsplit("$", 1)[-1],
        "id": f"id-{name}",
        "parent": parent,
        "provider": provider,
        **more,
    }


def state() -> dict[str, Any]:
    runpod = resource("pulumi:providers:pilotlight-runpod", "default", inputs={"target": "local"})
    modal = resource("pulumi:providers:pilotlight-modal", "default", inputs={"target": "cloud"})
    artifacts = resource("pulumi:providers:pilotlight-artifacts", "default", inputs={"target": "local"})
    search = resource("pilotlight:index:ModelEndpoint", "search")
    mine = resource("pilotlight:index:ModelEndpoint", "search-on-modal")
    return {
        "deployment": {
            "resources": [
                runpod,
                modal,
                artifacts,
                search,
                mine,
                resource(
                    "pilotlight:index:ModelImage$pilotlight-artifacts:index:Image",
                    "image",
                    provider=artifacts["urn"] + "::1",
                    inputs={"handler": "stacks/search"},
                    outputs={"ref": REF},
                ),
                resource(
                    "pilotlight:index:ModelEndpoint$pilotlight-runpod:index:Endpoint",
                    "inner",
                    parent=search["urn"],
                    provider=runpod["urn"] + "::2",
                    inputs={"image": REF, "env": {"KEY": {**SECRET, "ciphertext": "v1:x"}}},
                    outputs={"url": "http://127.0.0.1:1/v2/id/runsync"},
                ),
                resource(
                    "pilotlight:index:ModelEndpoint$pilotlight-modal:index:App",
                    "inner",
                    parent=mine["urn"],
                    provider=modal["urn"] + "::3",
                    inputs={"source": "stacks/search", "module": "pl_1"},
                    outputs={"url": "https://me--search.modal.run"},
                ),
            ]
        }
    }


def rows(exported: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exported["deployment"]["resources"]
    return found


def test_an_endpoint_on_runpod_with_the_image_that_it_runs() -> None:
    found = find(state(), "dev", "search")
    assert (found.on_modal, found.is_local, found.version) == (False, True, REF)
    assert found.image is not None
    assert found.image.inputs["handler"] == "stacks/search"
    assert found.image_provider is not None
    assert found.image_provider.inputs == {"target": "local"}


def test_an_endpoint_on_modal_with_its_own_directory() -> None:
    found = find(state(), "dev", "search-on-modal")
    assert (found.on_modal, found.is_local, found.version) == (True, False, "pl_1")
    assert found.url == "https://me--search.modal.run"


def test_a_raw_resource_is_found_by_its_own_name() -> None:
    exported = state()
    rows(exported)[6] |= {"parent": "", "urn": urn("pilotlight-runpod:index:Endpoint", "raw")}
    assert find(exported, "dev", "raw").endpoint.id == "id-inner"


def test_what_waits_to_be_deleted_is_not_what_is_deployed() -> None:
    exported = state()
    old = {**rows(exported)[6], "id": "old", "delete": True}
    rows(exported).append(old)
    assert find(exported, "dev", "search").endpoint.id == "id-inner"


def test_an_unknown_name_is_told_its_nearest() -> None:
    with pytest.raises(NotDeployed) as caught:
        find(state(), "dev", "serch")
    assert "search, search-on-modal" in caught.value.wanted


def test_a_stack_without_endpoints_is_told_to_go_up() -> None:
    with pytest.raises(NotDeployed) as caught:
        find({"deployment": {}}, "dev", "search")
    assert caught.value.wanted.endswith("none")
    assert "pulumi up -s dev" in caught.value.fix


def test_a_foreign_image_cannot_be_edited() -> None:
    exported = state()
    rows(exported)[6]["inputs"]["image"] = "docker.io/me/x@sha256:" + "b" * 64
    with pytest.raises(NotDeployed, match=r"docker\.io/me/x"):
        find(exported, "dev", "search")


def test_what_has_no_address_cannot_be_called() -> None:
    exported = state()
    rows(exported)[7]["outputs"] = {}
    with pytest.raises(NotDeployed, match="no address"):
        find(exported, "dev", "search-on-modal")


def test_secrets_are_decrypted_only_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    exported, shown = state(), state()
    provider = rows(exported)[1]["inputs"]
    provider["tokenSecret"] = {**SECRET, "ciphertext": "v1:x"}
    rows(shown)[1]["inputs"]["tokenSecret"] = {**SECRET, "plaintext": json.dumps("as-canary")}

    def export(root: Path, stack: str, *arguments: str) -> dict[str, Any]:
        asked.append(arguments)
        return shown if arguments else exported

    monkeypatch.setattr(dev_state.engine, "export", export)
    dev_state.read(Path(), "dev", "search")
    assert asked == [()]  # the worker's environment holds a secret, and a swap of its image needs none
    found = dev_state.read(Path(), "dev", "search-on-modal")
    assert asked[1:] == [(), ("--show-secrets",)]
    assert found.provider.inputs["tokenSecret"] == "as-canary"
