"""A small app for another environment."""

import modal

app = modal.App("corner", image=modal.Image.debian_slim("3.11"))


@app.function(max_containers=1)
def half(x):
    return x / 2
