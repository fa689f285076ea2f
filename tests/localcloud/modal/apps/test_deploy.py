"""The official CLI deploys here, and what it deploys can be found."""

from pathlib import Path


def test_an_app_is_deployed_with_functions_and_a_class(cloud, source: Path) -> None:
    said = cloud.modal("deploy", str(source))
    assert "App deployed" in said
    app = cloud.world.deployed("shop", "main")
    assert sorted(app.function_ids) == ["Model.*", "double", "hook", "train"]
    assert list(app.class_ids) == ["Model"]
    assert app.version == 1
    assert set(cloud.fleet.applied) == set(app.function_ids.values())
    double = cloud.world.function(app.function_ids["double"])
    assert double.function.module_name == "shop"
    assert double.function.timeout_secs == 60
    assert double.settings.max_containers == 4
    assert cloud.world.secrets.env(double.function.secret_ids) == {"K": "v"}


def test_the_code_is_in_the_mounts(cloud, source: Path, tmp_path: Path) -> None:
    cloud.modal("deploy", str(source))
    function = cloud.world.function(cloud.world.deployed("shop", "main").function_ids["double"]).function
    cloud.world.mounts.materialise(function.mount_ids, tmp_path / "container")
    assert (tmp_path / "container" / "root" / "shop.py").read_text() == source.read_text()


def test_deploying_again_without_a_change_makes_no_version(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    cloud.fleet.applied.clear()
    for _ in range(2):
        assert "Deployment skipped: no changes" in cloud.modal("deploy", str(source))
    assert cloud.world.deployed("shop", "main").version == 1
    assert cloud.fleet.applied == []


def test_a_changed_value_of_a_secret_in_the_code_makes_a_version(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    source.write_text(source.read_text().replace('{"K": "v"}', '{"K": "w"}'))
    assert "App deployed" in cloud.modal("deploy", str(source))


def test_function_ids_stay_and_a_removed_function_is_stopped(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    before = dict(cloud.world.deployed("shop", "main").function_ids)
    source.write_text(source.read_text().replace("def train()", "def retrain()"))
    cloud.modal("deploy", str(source))
    app = cloud.world.deployed("shop", "main")
    assert app.version == 2
    assert app.function_ids["double"] == before["double"]
    assert "train" not in app.function_ids
    assert cloud.world.function(before["train"]).stopped
    assert before["train"] in cloud.fleet.applied


def test_a_function_can_be_looked_up_and_described(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    said = cloud.python(
        "import modal\n"
        "info = modal.Function.from_name('shop', 'train').info()\n"
        "print(info.gpus, info.cpu, info.memory_mib, info.schedule)\n"
        "print(modal.Function.from_name('shop', 'hook').get_web_url())\n"
    ).splitlines()
    assert said[0].startswith("[('H100', 1), ('A100-80GB', 2)] 2.0 512 ")
    assert said[1] == "http://127.0.0.1:1/w/shop-hook"
    assert cloud.world.web_routes["model-hello"].method == "hello"


def test_what_is_not_there_is_named(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    code = "import modal; modal.Function.from_name({!r}, {!r}).hydrate()"
    assert "App 'nope' not found in environment 'main'" in cloud.python(code.format("nope", "f"), ok=False)
    assert "Function 'nope' not found in app 'shop'" in cloud.python(code.format("shop", "nope"), ok=False)


def test_everything_is_there_after_a_restart(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    cloud.restart()
    assert "Deployment skipped" in cloud.modal("deploy", str(source))
    assert cloud.modal_json("app", "list")[0]["description"] == "shop"


def test_two_apps_do_not_share_an_address(cloud, source: Path) -> None:
    cloud.modal("deploy", str(source))
    source.write_text(source.read_text().replace('App("shop"', 'App("other"'))
    cloud.modal("deploy", str(source))
    other = cloud.world.function(cloud.world.deployed("other", "main").function_ids["Model.*"])
    hello = other.data.method_definitions["hello"]
    assert hello.web_url_info.has_unique_hash
    assert hello.web_url.startswith("http://127.0.0.1:1/w/model-hello-")
    first = cloud.world.deployed("shop", "main").function_ids["Model.*"]
    assert cloud.world.web_routes["model-hello"].function_id == first
