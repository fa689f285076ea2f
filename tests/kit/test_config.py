"""The provider's own configuration, and the greetings around it."""

import json

import grpc
import pytest
from google.protobuf import empty_pb2

from infra.kit import Model, prop
from infra.kit.config import check_config as check_config_directly
from infra.kit.config import configure
from infra.kit.protos import plugin_pb2, provider_pb2
from infra.kit.wire import Secret, decode, encode
from infra.spec.findings import UNKNOWN
from tests.kit.driver import driven, run
from tests.kit.toy import ToyConfig

URN = "urn:pulumi:dev::shop::pulumi:providers:toy::default"


async def check_config(engine, news, olds=None):
    request = provider_pb2.CheckRequest(urn=URN, news=encode(news), olds=encode(olds or {}))
    response = await engine.stub.CheckConfig(request)
    return decode(response.inputs), {item.property: item.reason for item in response.failures}


def test_an_instance_id_is_made_once_and_kept(cloud):
    async def body():
        async with driven(cloud) as engine:
            first, _ = await check_config(engine, {})
            other, _ = await check_config(engine, {})
            kept, _ = await check_config(engine, {"retries": "4"}, first)
            assert len(first["__instance"]) == 8
            assert first["__instance"] != other["__instance"]
            assert kept == {"retries": 4, "__instance": first["__instance"]}

    run(body())


def test_text_is_parsed_unknowns_pass_and_the_engines_own_keys_stay(cloud):
    async def body():
        async with driven(cloud) as engine:
            stored, failures = await check_config(
                engine, {"zones": '["a"]', "retries": UNKNOWN, "version": "1.2.3", "apiKey": "007"}
            )
            assert failures == {}
            del stored["__instance"]
            assert stored == {"zones": ["a"], "retries": UNKNOWN, "version": "1.2.3", "apiKey": Secret("007")}

    run(body())


def test_configuration_failures_name_the_key_and_no_secret(cloud):
    async def body():
        async with driven(cloud) as engine:
            _, failures = await check_config(
                engine, {"retrys": 1, "retries": "many", "apiKey": ["canary-key"]}
            )
            assert set(failures) == {"retrys", "retries", "apiKey"}
            assert "did you mean 'retries'" in failures["retrys"]
            assert "canary" not in str(failures)

    run(body())


def test_what_comes_from_the_environment_is_never_stored(cloud, monkeypatch):
    monkeypatch.setenv("TOY_API_KEY", "canary-key")

    async def body():
        async with driven(cloud) as engine:
            stored, _ = await check_config(engine, {})
            assert "canary" not in str(encode(stored))
            assert engine.servicer._config.api_key == "canary-key"

    run(body())


def test_a_set_key_wins_over_the_environment():
    config, failures, instance = configure(
        ToyConfig, {"apiKey": Secret("set"), "__instance": "i"}, {"TOY_API_KEY": "env"}
    )
    assert failures == []
    assert isinstance(config, ToyConfig)
    assert (config.api_key, instance) == ("set", "i")


def test_a_changed_configuration_is_reported_as_a_change(cloud):
    async def body():
        async with driven(cloud) as engine:

            async def diff(olds, news):
                return await engine.stub.DiffConfig(
                    provider_pb2.DiffRequest(urn=URN, old_inputs=encode(olds), news=encode(news))
                )

            same = await diff({"retries": 3, "__instance": "a"}, {"retries": "3", "__instance": "b"})
            assert same.changes == same.DIFF_NONE
            changed = await diff({"retries": 3}, {"retries": 4})
            assert changed.changes == changed.DIFF_SOME
            assert not changed.replaces
            moved = await diff({"target": "cloud"}, {"target": "local"})
            assert list(moved.replaces) == ["target"]

    run(body())


def test_an_unusable_configuration_fails_at_the_first_call_and_says_why(cloud):
    async def body():
        async with driven(cloud, retries="many") as engine:
            inputs = await engine.check({"image": "a"})
            with pytest.raises(grpc.RpcError) as failed:
                await engine.create(inputs)
            assert "the configuration of toy is not usable: retries: is 'many'" in failed.value.details()

    run(body())


def test_greetings(cloud):
    async def body():
        async with driven(cloud) as engine:
            stub = engine.stub
            hello = await stub.Handshake(provider_pb2.ProviderHandshakeRequest())
            assert hello.accept_secrets
            assert not hello.accept_resources
            assert hello.supports_autonaming_configuration
            assert (await stub.GetPluginInfo(empty_pb2.Empty())).version == "1.2.3"
            assert (await stub.GetMapping(provider_pb2.GetMappingRequest(key="terraform"))).provider == ""
            assert not (await stub.GetMappings(provider_pb2.GetMappingsRequest())).providers
            await stub.Attach(plugin_pb2.PluginAttach(address=engine.servicer.engine.address))
            schema = json.loads((await stub.GetSchema(provider_pb2.GetSchemaRequest())).schema)
            assert schema["name"] == "toy"
            for method, request in (
                ("Call", provider_pb2.CallRequest()),
                ("Construct", provider_pb2.ConstructRequest()),
                ("Parameterize", provider_pb2.ParameterizeRequest()),
            ):
                with pytest.raises(grpc.RpcError) as refused:
                    await getattr(stub, method)(request)
                assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED

    run(body())


def test_a_function_answers_checks_its_arguments_and_keeps_secrets(cloud):
    async def body():
        async with driven(cloud) as engine:
            await engine.create(await engine.check({"image": "a", "name": "n"}))

            async def invoke(**args):
                return await engine.stub.Invoke(
                    provider_pb2.InvokeRequest(tok="toy:index:lookup", args=encode(args))
                )

            answer = decode(getattr(await invoke(name="n"), "return"))
            assert answer == {"ids": ["box-1"], "key": Secret("lookup-key")}
            refused = await invoke(nam="n")
            assert {item.property for item in refused.failures} == {"name", "nam"}
            with pytest.raises(grpc.RpcError) as failed:
                await engine.stub.Invoke(provider_pb2.InvokeRequest(tok="toy:index:lokup"))
            assert "did you mean 'lookup'" in failed.value.details()

    run(body())


def test_cancel_ends_a_connection_attempt(cloud):
    import asyncio

    async def body():
        async with driven(cloud) as engine:
            connecting = asyncio.Event()

            async def connect(config, ctx):
                connecting.set()
                await asyncio.Event().wait()

            engine.servicer.provider.connect = connect
            create = asyncio.ensure_future(engine.create(await engine.check({"image": "a"})))
            await connecting.wait()
            await engine.cancel()
            with pytest.raises(grpc.RpcError) as failed:
                await create
            assert "stopped before it was finished" in failed.value.details()

    run(body())


def test_a_required_key_may_come_from_the_environment_and_is_named_where_it_does_not():
    class Config(Model):
        token: str = prop(desc="the token", secret=True, env="TOY_TOKEN")

    assert check_config_directly(Config, {}, {})[1] == []
    config, failures, _ = configure(Config, {}, {})
    assert config is None
    assert "the environment variable TOY_TOKEN" in failures[0].reason
    assert configure(Config, {}, {"TOY_TOKEN": "t"})[0] == Config(token="t")
