"""`pilotlight-modal:index:Dict`: a key-value store that functions share."""

from typing import ClassVar

from infra.modal.named import Made, Named, NamedInputs


class DictInputs(NamedInputs):
    pass


class DictState(DictInputs, Made):
    pass


class Dict(Named[DictInputs, DictState]):
    """A key-value store that functions share. Deleting it deletes what it holds."""

    Inputs: ClassVar = DictInputs
    State: ClassVar = DictState
    kind = "Dict"
    word = "dict"
    prefix = "di-"
