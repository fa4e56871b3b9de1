"""The declaration of Japanese."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="ja",
    name="Japanese",
    native_name="日本語",
    script="Japanese",
    family="Japonic",
    aliases=("jp",),
    three_letter_codes=("jpn",),
    hub_names={
        "csebuetnlp/xlsum": "japanese",
        "lightblue/tagengo-gpt4": "Japanese",
        "CohereLabs/aya_evaluation_suite": "jpn",
    },
    split_words="clt_ray.evaluation.scorers.segmentation:japanese",
    numbers=Numbers(
        label_words="ステップ|手順",
        digits=tuple("〇一二三四五六七八九"),
        more_digits={"零": 0},
        scales={"十": 10, "百": 100, "千": 10**3, "万": 10**4, "億": 10**8},
        myriads=True,
    ),
    answers=Answers(
        nouns="答え|答|解答|回答|正解",
        links="は|が",
        labels="解",
        seeking="を|る|ら|よう|ます",
        remarks="検算|確認|確かめ|検証|注(?=:)|補足|説明",
        denied_after="では(?:な|あり)|じゃな",
        conclusions="したがって|よって",
        questions="問題|質問",
    ),
)
