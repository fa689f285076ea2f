"""`vram-fit`: weights and KV cache fit into the memory of the cards."""

from infra.spec.findings import Finding
from policies.rules.reading import at_up
from policies.rules.rule import ENDPOINTS, Rule, RuleSettings
from policies.rules.subject import Subject


class Settings(RuleSettings):
    pass


def check(subject: Subject, settings: Settings) -> list[Finding]:
    if not subject.is_endpoint or not subject.intent_has("gpu"):
        return []
    if not (subject.intent_has("llm") or subject.intent_has("sizes")):
        return []
    fit = subject.plan.vram
    if fit is None or fit.fits:
        return (
            [at_up(RULE.id, "intent.gpu", "the size of the weights")] if subject.open("weights_bytes") else []
        )
    message = f"needs {fit.needed_gb:.1f} GB of GPU memory and the cards have {fit.usable_gb:.1f} GB to use: {fit.reason}"
    fix = "take a larger GPU class, more cards (gpu_count), fewer bits, or a shorter context"
    data = {"needed_gb": fit.needed_gb, "usable_gb": fit.usable_gb}
    return [Finding(RULE.id, "intent.gpu", message, fix, data=data)]


RULE = Rule(
    id="vram-fit",
    description="Weights and KV cache fit into the memory of the GPUs.",
    types=ENDPOINTS,
    settings=Settings,
    check=check,
)
