"""What is deployed: one model, from local safetensors to an endpoint on each cloud that scales to zero."""

from components import ModelEndpoint, ModelImage, StagedWeights, WeightBucket, Workers, export_endpoints

bucket = WeightBucket("weights", force_destroy=True)
weights = StagedWeights("minilm", bucket=bucket, source=".pilotlight/models/all-MiniLM-L6-v2")
image = ModelImage("search", handler="stacks/search")
scaling = {"workers": Workers(min=0, max=2), "idle_timeout_s": 60}

search = ModelEndpoint("search", cloud="runpod", gpu="L4", image=image, weights=weights, **scaling)
on_modal = ModelEndpoint("search-on-modal", cloud="modal", gpu="L4", image=image, weights=weights, **scaling)

export_endpoints(search, on_modal)
