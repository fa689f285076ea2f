"""Which of these sentences are about the same thing? A pipeline of three steps, and this entry, which calls them in order."""

import os

import modal


class Model:
    def load(self, weights):
        app, names = os.environ["PILOTLIGHT_APP"], os.environ["PILOTLIGHT_STEPS"].split(",")
        self.steps = [modal.Function.from_name(app, name) for name in names]

    async def predict(self, request: dict) -> dict:
        """{"question": text, "sentences": [text, ...]} -> {"ranked": [{"sentence", "similarity"}, ...]}, best first."""
        answer = request
        for step in self.steps:
            answer = await step.remote.aio(answer)
        return answer
