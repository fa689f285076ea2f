from infra.kit.wire import decode
from tests.kit.driver import driven, run


def test_a_resource_goes_through_its_whole_life(cloud, root):
    async def body():
        async with driven(cloud, root) as engine:
            inputs = await engine.check({"image": "a"})
            id, outputs = await engine.create(inputs)
            assert cloud.boxes[id]["image"] == "a"
            news = await engine.check({"image": "b"}, inputs)
            assert (await engine.diff(id, inputs, news)).diffs == ["content", "image"]
            outputs = await engine.update(id, outputs, inputs, news)
            assert outputs["image"] == "b"
            response = await engine.read(id, outputs, news)
            assert response.id == id
            assert decode(response.inputs) == news
            await engine.delete(id, outputs, news)
            assert cloud.boxes == {}

    run(body())
