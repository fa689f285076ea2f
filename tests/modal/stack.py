"""Modal's provider in a real Pulumi project."""

from pathlib import Path

from tests.kit.project import Project
from tests.localcloud.modal.running import TOKEN, RunningModal
from tests.modal.world import project


class Stack(Project):
    """The stack `dev` of the project `shop`, whose one provider is this checkout's."""

    @staticmethod
    def make(directory: Path, cli: str) -> "Stack":
        stack = Stack(
            project(directory),
            cli,
            "pilotlight-modal",
            "infra.modal.__main__:main",
            MODAL_TOKEN_ID=TOKEN.id,
            MODAL_TOKEN_SECRET=TOKEN.secret,
        )
        stack.lay_out()
        stack.init()
        return stack

    def program(self, body: str) -> None:
        (self.directory / "__main__.py").write_text(
            f"import pulumi\nfrom infra.modal.sdk import App, Secret, Volume\n{body}\n"
        )


def provider(name: str, modal: RunningModal) -> str:
    """A line of a program: an explicit provider of this name for that Modal."""
    url = f"http://127.0.0.1:{modal.port}"
    return f"{name} = pulumi.ProviderResource('pilotlight-modal', '{name}', {{'serverUrl': '{url}'}})\n"


def apps(modal: RunningModal) -> list[tuple[str, int]]:
    """Names and versions of what runs."""
    return modal.ask(lambda: [(app.name, app.version) for app in modal.world.apps.values() if app.running])
