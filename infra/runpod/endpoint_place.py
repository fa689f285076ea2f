"""Where an endpoint's workers may land, against where its volumes are."""

from collections.abc import Iterator

from infra.catalog import Catalog
from infra.kit import Failure
from infra.runpod import known
from infra.runpod.endpoint_model import EndpointInputs


def failures(inputs: EndpointInputs, catalog: Catalog) -> Iterator[Failure]:
    for index, id in known.known_items(inputs.data_center_ids):
        yield from known.data_center(catalog, f"dataCenterIds[{index}]", id)
    if not known.is_known(inputs.network_volumes):
        return
    seen: set[str] = set()
    for index, volume in known.known_items(inputs.network_volumes):
        if volume == "":
            yield Failure(f"networkVolumes[{index}]", "the id is empty. Wanted: the id of a network volume")
        elif volume in seen:
            yield Failure(f"networkVolumes[{index}]", f"volume {volume} is listed twice. Fix: remove one")
        seen.add(volume)
    if known.is_known(inputs.network_volume_data_centers):
        yield from _against_volumes(inputs)


def centers_of_volumes(inputs: EndpointInputs) -> list[str] | None:
    """For an endpoint that leaves its placement open: where its volumes are, when all of that is known."""
    if inputs.data_center_ids or not known.is_known(inputs.network_volume_data_centers):
        return None
    places = inputs.network_volume_data_centers
    known_places = [place for _, place in known.known_items(places)]
    if not known_places or len(known_places) != len(places):
        return None
    return list(dict.fromkeys(known_places))


def _against_volumes(inputs: EndpointInputs) -> Iterator[Failure]:
    places, volumes = inputs.network_volume_data_centers, inputs.network_volumes
    if places and len(places) != len(volumes):
        reason = f"found {len(places)} for {len(volumes)} volumes. Wanted: one for each of networkVolumes"
        yield Failure("networkVolumeDataCenters", reason)
        return
    held: dict[str, int] = {}
    for index, place in known.known_items(places):
        if place in held:
            yield Failure(
                f"networkVolumes[{index}]",
                f"a second volume in {place}. Wanted: at most one for each data center. Fix: remove one",
            )
        held.setdefault(place, index)
    wanted = known.known_items(inputs.data_center_ids)
    if not wanted or len(held) != len(places) or not held or len(wanted) != len(inputs.data_center_ids):
        return
    chosen = {id for _, id in wanted}
    for place, index in held.items():
        if place not in chosen:
            yield Failure(
                f"networkVolumes[{index}]",
                f"this volume is in {place}, where dataCenterIds lets no worker run. Fix: add {place} to dataCenterIds, "
                "or leave the volume out",
            )
    for index, id in wanted:
        if id not in held:
            yield Failure(
                f"dataCenterIds[{index}]",
                f"a worker in {id} would have no volume: they are in {', '.join(held)}. Fix: remove {id}, or add a "
                "network volume there",
            )
