"""Who is let in, and what the client says to those who are not."""

import logging

import pytest
from grpclib.client import Channel
from modal._utils.grpc_utils import custom_detail_codec
from modal_proto import api_pb2

from infra.localcloud.core.faults import Fault, FaultKind

LOOK_UP = "import modal; modal.Secret.from_name('nope').hydrate()"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"MODAL_TOKEN_ID": "ak-other"}, "Token 'ak-other' is not known to the local cloud"),
        ({"MODAL_TOKEN_SECRET": "as-other"}, "The secret of token 'ak-test' is wrong"),
    ],
)
def test_a_wrong_token_is_an_auth_error_that_says_what_to_do(
    cloud, wrong: dict[str, str], reason: str
) -> None:
    said = cloud.python(LOOK_UP, ok=False, **wrong)
    assert "modal.exception.AuthError" in said
    assert reason in said
    assert "pilotlight cloud env" in said
    assert reason in cloud.modal("app", "list", ok=False, **wrong)


def test_an_unknown_rpc_is_unimplemented_and_logged(cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        said = cloud.python(
            "import modal\nfrom modal_proto import api_pb2\n"
            "client = modal.Client.from_env()\n"
            "import asyncio\n"
            "from modal._utils.async_utils import synchronizer\n"
            "inner = synchronizer._translate_in(client)\n"
            "async def ask(): await inner._stub.ProxyList(api_pb2.google_dot_protobuf_dot_empty__pb2.Empty())\n"
            "synchronizer.create_blocking(ask)()\n",
            ok=False,
        )
    assert "modal.exception.UnimplementedError: The local cloud does not know ProxyList" in said
    assert "unknown RPC ProxyList (client 1.6.4)" in caplog.text
    assert cloud.world.server.unknown == {"ProxyList": 1}


def test_a_fault_of_ours_is_one_line_for_the_client(cloud, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    cloud.world.environment = broken
    said = cloud.modal("app", "list", ok=False)
    assert "The local cloud failed in AppList (RuntimeError: two lines); its log has more" in said
    assert "AppList failed" in caplog.text


@pytest.mark.parametrize(
    "kind", [FaultKind.SERVER_ERROR, FaultKind.RATE_LIMIT, FaultKind.LOST_ANSWER, FaultKind.DROP_BEFORE]
)
def test_the_client_gets_over_injected_faults(cloud, kind: FaultKind) -> None:
    fault = Fault(kind=kind, path="/EnvironmentList", target="modal", times=1, seconds=0.01)
    cloud.world.faults.replace({"one": fault})
    assert [row["name"] for row in cloud.modal_json("environment", "list")] == ["main"]
    assert cloud.world.faults.active() == {}


def test_a_container_needs_no_token_on_its_own_socket(cloud, tmp_path) -> None:
    path = tmp_path / "task.sock"

    async def ask() -> str:
        server = await cloud.world.server.listen_task("ta-1", path)
        channel = Channel(path=str(path), status_details_codec=custom_detail_codec)
        try:
            async with channel.request(
                "/modal.client.ModalClient/WorkspaceNameLookup",
                _unary(),
                api_pb2.google_dot_protobuf_dot_empty__pb2.Empty,
                api_pb2.WorkspaceNameLookupResponse,
            ) as stream:
                await stream.send_message(api_pb2.google_dot_protobuf_dot_empty__pb2.Empty(), end=True)
                answer = await stream.recv_message()
        finally:
            channel.close()
            await cloud.world.server.hang_up(server)
        return answer.workspace_name

    assert cloud.run(ask) == "local"


def _unary():
    from grpclib.const import Cardinality

    return Cardinality.UNARY_UNARY
