"""Every configuration field declares its role in the identity of a run."""

from __future__ import annotations

from dataclasses import make_dataclass
from typing import Any

import pytest
from pydantic import create_model

from clt_ray.sweep import sections, spec
from clt_ray.sweep.fields import SpecModel
from clt_ray.sweep.roles import AddedIdentity, Identity, Role, Runtime, identity_fields, roles, silent_defaults
from clt_ray.sweep.run import Inputs, RunSpec

INSTRUCTIONS = """{model}.{field} has no role in the identity of a run. Annotate it with one of:

    Identity[...]   Its value can change the results of a run. It enters run_id, so every run trains again; if the
                    default gives the same results as before, use AddedIdentity[...], which keeps existing run ids.
    Content[...]    It points at rows, weights or text. Name the content in clt_ray/sweep/inputs.py.
    Runtime[...]    It decides where, how fast or under which name a run executes. It never enters run_id.

If in doubt, use Identity: an unnecessary field repeats runs, but a missing one mixes up results of different runs."""


def models() -> list[type[Any]]:
    specs = {
        value
        for module in (sections, spec)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, SpecModel) and value is not SpecModel
    }
    return [*sorted(specs, key=lambda model: model.__name__), Inputs, RunSpec]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_field_has_a_role(model: Any) -> None:
    for field, role in roles(model).items():
        assert role is not None, INSTRUCTIONS.format(model=model.__name__, field=field)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_field_is_documented(model: type[Any]) -> None:
    if issubclass(model, SpecModel):
        undocumented = [name for name, field in model.model_fields.items() if not field.description]
        assert not undocumented, f"add a docstring under each of {undocumented} in {model.__name__}"


def test_a_field_without_a_role_is_detected() -> None:
    forgetful = create_model("Forgetful", __base__=SpecModel, declared=(Identity[int], 1), undeclared=(int, 1))
    assert roles(forgetful) == {"declared": Role.IDENTITY, "undeclared": None}
    plain = make_dataclass("Plain", [("declared", Runtime[int]), ("undeclared", int)])
    assert roles(plain) == {"declared": Role.RUNTIME, "undeclared": None}


def test_a_new_identity_field_enters_the_identity_automatically() -> None:
    grown = create_model("Grown", __base__=sections.ValidationSpec, folds=(Identity[int], 3))
    assert '"folds":3' in grown().identity_json
    assert "folds" in identity_fields(grown)


def test_an_added_identity_field_changes_no_identity_by_its_default() -> None:
    grown = create_model(
        "Grown",
        __base__=sections.ValidationSpec,
        folds=(AddedIdentity[int], 3),
        near=(AddedIdentity[tuple[int, ...]], ()),
    )
    assert grown().identity_json == sections.ValidationSpec().identity_json
    assert '"folds":4' in grown.model_validate({"folds": 4}).identity_json
    assert '"near":[1]' in grown.model_validate({"near": (1,)}).identity_json
    assert silent_defaults(grown) == {"folds": 3, "near": (), "generate": None}
    assert {"folds", "near"} <= set(identity_fields(grown))


def test_only_models_and_dataclasses_have_roles() -> None:
    with pytest.raises(TypeError, match="int is neither"):
        roles(int)
