from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clt_ray.suggest import nearest, remedy
from clt_ray.sweep.spec import SweepSpec

KEYS = list(SweepSpec.model_fields)
NAMES = st.sampled_from(KEYS)


@given(NAMES, st.data())
def test_one_slip_leads_back_to_the_key(key: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(key) - 1))
    kind = data.draw(st.sampled_from(["drop", "double", "replace"]))
    middle = {"drop": "", "double": key[place] * 2, "replace": "q"}[kind]
    assert nearest(key[:place] + middle + key[place + 1 :], KEYS) == key


@given(NAMES)
def test_case_and_separators_do_not_matter(key: str) -> None:
    assert nearest(key.upper().replace("_", "-"), KEYS) == key


@given(st.text(max_size=20))
def test_a_suggestion_is_always_a_known_name(text: str) -> None:
    assert nearest(text, KEYS) in {None, *KEYS}


def test_remedies_list_short_choices_and_cut_long_ones() -> None:
    assert remedy("mth", ["math", "code"], "tasks") == "did you mean 'math'? tasks: math, code"
    assert remedy("zzz", [f"name{index}" for index in range(50)], "names").endswith("name19, ...")
    assert remedy("x", [], "models") == "there are no models"
