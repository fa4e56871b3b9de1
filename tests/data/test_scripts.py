"""The letters of a text show whether it can be in its language."""

from __future__ import annotations

import pytest

from clt_ray.data.scripts import FEW_LETTERS, WRONG_SCRIPT_SHARE, writing

SENTENCES = {
    "en": "How many apples does Anna have after she gave three of them away?",
    "es": "¿Cuántas manzanas le quedan a Ana después de regalar tres de ellas?",
    "fr": "Combien de pommes reste-t-il à Anne après en avoir donné trois à son frère ?",
    "ja": "アンナさんは３つあげたあと、りんごをいくつ持っていますか。ｶﾀｶﾅもあります。",
    "zh": "安娜送出三个苹果之后，她还剩下多少个苹果？请一步一步地计算并给出答案。",
    "ar": "كم تفاحة بقيت مع آنا بعد أن أعطت ثلاثًا منها لأخيها؟",
    "ko": "안나가 사과 세 개를 나누어 준 뒤에 남은 사과는 모두 몇 개입니까?",
    "pt": "Quantas maçãs restam à Ana depois de ela oferecer três ao irmão?",
    "ru": "Сколько яблок осталось у Анны, когда она отдала три из них?",
    "th": "แอนนามีแอปเปิลเหลือกี่ผลหลังจากให้น้องชายไปสามผล",
}
SAME_SCRIPT = [{"en", "es", "fr", "pt"}]


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_in_the_script_of_its_language_and_of_no_other(text: str, code: str) -> None:
    same = text == code or any({text, code} <= group for group in SAME_SCRIPT)
    share = writing(SENTENCES[text], code).share
    assert share > 0.9 if same else share < WRONG_SCRIPT_SHARE


@pytest.mark.parametrize("text", ["", "18", "3 + 5 = 8", "x² + y² = z²", "OK", "https://a.org"])
def test_a_few_letters_prove_nothing(text: str) -> None:
    assert all(writing(text, code).share == 1 for code in SENTENCES)


def test_program_code_is_skipped() -> None:
    text = (
        "请写一个函数，返回数组中最大的元素，并解释它是怎样工作的。\n```python\ndef largest(values):\n    " + "x" * 99
    )
    assert writing(text, "zh").share == 1
    assert writing(text + "\n```\n这个函数逐个比较所有的元素。", "zh").letters > writing(text, "zh").letters


def test_parts_add_up() -> None:
    mixed = writing("maximum", "ja") + writing(SENTENCES["ja"], "ja")
    assert mixed.letters >= FEW_LETTERS and 0.7 < mixed.share < 1
