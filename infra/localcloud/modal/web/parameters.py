"""A web endpoint of a class with parameters: they come in the query string."""

from aiohttp import web
from modal_proto import api_pb2
from multidict import MultiMapping

from infra.localcloud.modal.model import FunctionRecord

TRUE, FALSE = ("true", "1", "True"), ("false", "0", "False")


def from_query(record: FunctionRecord, query: MultiMapping[str]) -> bytes | None:
    """The serialised parameters, None for a class without any. Raises 422 for one that is missing or no such value."""
    schema = record.function.class_parameter_info.schema
    if not schema:
        return None
    values = [_value(item, query[item.name]) for item in schema if item.name in query]
    missing = [item.name for item in schema if item.name not in query and not item.has_default]
    if missing:
        raise web.HTTPUnprocessableEntity(text=f"modal-http: missing class parameter {', '.join(missing)}\n")
    chosen = [value for value in values if value is not None]
    return api_pb2.ClassParameterSet(parameters=chosen).SerializeToString(deterministic=True)


def _value(spec: api_pb2.ClassParameterSpec, text: str) -> api_pb2.ClassParameterValue | None:
    kind = spec.type
    try:
        if kind == api_pb2.PARAM_TYPE_INT:
            return api_pb2.ClassParameterValue(name=spec.name, type=kind, int_value=int(text))
        if kind == api_pb2.PARAM_TYPE_BOOL:
            if text not in (*TRUE, *FALSE):
                raise ValueError
            return api_pb2.ClassParameterValue(name=spec.name, type=kind, bool_value=text in TRUE)
        if kind == api_pb2.PARAM_TYPE_STRING:
            return api_pb2.ClassParameterValue(name=spec.name, type=kind, string_value=text)
    except ValueError:
        raise web.HTTPUnprocessableEntity(
            text=f"modal-http: {text!r} is no value of class parameter {spec.name}\n"
        ) from None
    return None
