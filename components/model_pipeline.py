"""`ModelPipeline`: steps on CPUs and GPUs, each on machines of its own, called in order by one entry."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pulumi

from components import stack_budget
from components._base import explained, given, token, understood, with_overrides
from components.modal_machine import environment, image_of, settings
from components.model_image import ModelImage
from components.refusals import refused
from infra.catalog import load
from infra.modal.sdk import App
from infra.planning.cost import CostRange, monthly_range
from infra.planning.money import usd_per_container_hour
from infra.spec.declarations import Auth, Cloud, PipelineSpec, SpecError, Step, Workers, parse, wire
from infra.spec.parsing import Problem
from infra.spec.pipeline import ENTRY


class ModelPipeline(pulumi.ComponentResource):
    """One app: a function for each step, and the image's handler class `Model`, which takes requests and calls the steps.

    `Model` finds the steps' names in order in PILOTLIGHT_STEPS, separated by commas, and the app's in PILOTLIGHT_APP. It is
    called as an endpoint is: at `url`, or as `modal.Cls.from_name(<app_name>, "Model")().predict.remote(…)`.
    """

    url: pulumi.Output[str]
    app_name: pulumi.Output[str]

    @understood
    def __init__(
        self,
        name: str,
        *,
        image: ModelImage,
        steps: Sequence[Step],
        cloud: Cloud | str | None = None,
        workers: Workers | None = None,
        concurrency: int | None = None,
        idle_timeout_s: int | None = None,
        timeout_s: int | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        auth: Auth | str | None = None,
        tags: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(token("ModelPipeline"), name, None, opts)
        values = given(
            cloud=cloud,
            steps=list(steps),
            workers=workers,
            concurrency=concurrency,
            idle_timeout_s=idle_timeout_s,
            timeout_s=timeout_s,
            auth=auth,
            tags=None if tags is None else dict(tags),
        )
        with explained():
            subject = f"pipeline {name!r}"
            self.spec = parse(PipelineSpec, with_overrides("pipelines", name, values), subject=subject)
            functions, chain = _mapped(self.spec, image, subject)
            self.plan = _plan(self.spec)
            stack_budget.count(name, self.plan)
        order = ",".join(step.called for step in self.spec.steps)
        plain, hidden = environment(self, name, {**(env or {}), "PILOTLIGHT_STEPS": order})
        entry = {
            "min_containers": self.spec.workers.min,
            "max_containers": self.spec.workers.max,
            "buffer_containers": self.spec.workers.buffer,
            "scaledown_window_s": self.spec.idle_timeout_s,
            "timeout_s": self.spec.longest_s,
            "max_concurrent_inputs": self.spec.concurrency if self.spec.concurrency > 1 else None,
            "secrets": hidden,
            "web": {"requires_proxy_auth": self.spec.auth is Auth.CLOUD},
        }
        app = App(
            name,
            source=image.spec.handler,
            image=chain,
            env=plain,
            functions={
                key: {**step, "secrets": [*step["secrets"], *hidden]} for key, step in functions.items()
            },
            classes={ENTRY: entry},
            tags=self.spec.tags,
            intent={"pipeline": name, **wire(self.spec)},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.name = name
        self.resource, self.app_name, self.module = app, app.name, app.module
        self.url = app.url.apply(str)
        self.register_outputs({"url": self.url, "appName": self.app_name, "plan": self.plan})

    def summary(self) -> dict[str, Any]:
        """Its entry in the stack output `endpoints`: `pilotlight call` takes a pipeline by its name too."""
        return {
            "cloud": self.spec.cloud.value,
            "kind": "queue",
            "url": self.url,
            "image": self.module,
            "weights": None,
            "plan": self.plan,
        }


def _mapped(
    spec: PipelineSpec, image: ModelImage, subject: str
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The app's functions and image. Raises `SpecError` with every reason why Modal cannot run it."""
    chain, problems = image_of(image), []
    if spec.cloud is Cloud.AUTO:
        problems.append(Problem("cloud", 'found "auto". Wanted: "modal", the one cloud that runs pipelines'))
    else:
        problems += refused(load(), spec.cloud.value, "cloud", "pipelines")
    functions = {}
    for index, step in enumerate(spec.steps):
        function, wrong = settings(step, load(), f"steps[{index}].")
        problems += wrong
        functions[step.called] = {
            **function,
            "min_containers": step.workers.min,
            "max_containers": step.workers.max,
            "buffer_containers": step.workers.buffer,
            "scaledown_window_s": step.idle_timeout_s,
        }
    if problems:
        raise SpecError(subject, problems)
    return functions, chain


def _plan(spec: PipelineSpec) -> dict[str, Any]:
    """What it can cost a month, the entry included: the floor and the ceiling, at the dearest class of each step."""
    catalog = load()
    book = catalog.prices()
    machines = [
        (step.workers, usd_per_container_hour(step.gpu, step.gpu_count, step.cpu, catalog, book))
        for step in spec.steps
    ]
    machines.append((spec.workers, usd_per_container_hour([], 1, None, catalog, book)))
    costs: list[CostRange] = [
        monthly_range(usd_per_worker_hour=hourly, workers_min=workers.min, workers_max=workers.max)
        for workers, hourly in machines
    ]
    return {
        "usdPerMonth": {
            "floor": str(sum((cost.floor for cost in costs), Decimal(0))),
            "ceiling": str(sum((cost.ceiling for cost in costs), Decimal(0))),
        },
        "priceBook": book.name,
        "gpu": sorted({gpu for step in spec.steps for gpu in step.gpu}),
    }
