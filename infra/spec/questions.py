"""The questions of the decision matrix that no number answers: how a team works."""

from infra.spec.base import Spec


class Questions(Spec):
    """Yes, no, or not said. Answers tip the choice between clouds of nearly equal cost, and are printed as reasons."""

    docker_ci: bool | None = None
    """Do you have custom Docker CI/CD?"""
    avoid_docker: bool | None = None
    """Do you want to avoid Docker?"""
    machines_beside_serverless: bool | None = None
    """Do you need persistent virtual machines alongside serverless?"""
    pipelines: bool | None = None
    """Are you building pipelines that chain GPU and CPU tasks?"""
