from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.languages import (
    LANGUAGES,
    LATIN,
    STUDY_LANGUAGES,
    Language,
    built_in_and,
    is_latin,
    nearest_language,
)
from clt_ray.plugins import UnknownNameError

MGSM = {"bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"}


def test_the_languages_of_the_study_and_of_mgsm_are_known() -> None:
    assert STUDY_LANGUAGES == ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
    assert set(LANGUAGES) >= MGSM | set(STUDY_LANGUAGES)


def test_script_decides_what_is_latin() -> None:
    latin = {code for code in STUDY_LANGUAGES if is_latin(code)}
    assert latin == {"en", "es", "fr", "pt"}
    assert (LANGUAGES["ja"].script, LANGUAGES["ja"].family) == ("Japanese", "Japonic")


def test_codes_and_names_are_unique_and_complete() -> None:
    assert len({entry.name for entry in LANGUAGES.values()}) == len(LANGUAGES)
    for code, entry in LANGUAGES.items():
        assert code == entry.code == code.lower()
        assert len(code) == 2
        assert all((entry.name, entry.native_name, entry.script, entry.family))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("jp", "ja"),
        ("spanish", "es"),
        ("Spansih", "es"),
        ("zh-CN", "zh"),
        ("pt_BR", "pt"),
        ("français", "fr"),
        ("FR", "fr"),
        ("kr", "ko"),
        ("cn", "zh"),
    ],
)
def test_what_people_write_leads_to_the_language_they_mean(written: str, meant: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{meant}'"):
        LANGUAGES.require(written)


def test_nothing_is_suggested_for_nonsense() -> None:
    assert nearest_language("qqqqqqqq") is None
    with pytest.raises(LookupError, match=r"declares 'qqqqqqqq' among the languages\n    languages: en, es"):
        is_latin("qqqqqqqq")


@given(st.sampled_from(sorted(LANGUAGES)))
def test_every_name_leads_to_its_own_language(code: str) -> None:
    entry = LANGUAGES[code]
    assert nearest_language(entry.name) == code
    assert nearest_language(entry.native_name.upper()) == code
    assert nearest_language(code.upper()) == code


@given(st.text(max_size=12))
def test_a_suggestion_is_always_a_known_language(text: str) -> None:
    assert nearest_language(text) in {None, *LANGUAGES}


def test_rules_for_one_language_see_no_plugin_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    welsh = Language("cy", "Welsh", "Cymraeg", LATIN, "Celtic")
    monkeypatch.setattr(LANGUAGES, "_all", {**LANGUAGES.built_in, "cy": welsh})
    assert welsh not in built_in_and("es") and welsh in built_in_and("cy")
    assert nearest_language("Cymraeg") == "cy"


@pytest.mark.parametrize(("code", "name"), [("ES", "Spanish"), ("spanish", "Spanish"), ("es", "")])
def test_a_wrong_declaration_says_which_language_it_is(code: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"language '{code}'"):
        Language(code, name, "español", LATIN, "Romance")


def test_only_what_can_change_numbers_is_content() -> None:
    spanish = LANGUAGES["es"]
    assert replace(spanish, name="Castilian", family="Ibero-Romance").content() == spanish.content()
    assert replace(spanish, stemmer="").content() != spanish.content()
    assert replace(spanish, version=2).content() != spanish.content()
