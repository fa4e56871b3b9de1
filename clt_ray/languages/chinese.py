"""The declaration of Chinese."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="zh",
    name="Chinese",
    native_name="中文",
    script="Han",
    family="Sinitic",
    aliases=("cn",),
    three_letter_codes=("zho",),
    hub_names={
        "csebuetnlp/xlsum": "chinese_simplified",
        "lightblue/tagengo-gpt4": "Chinese",
        "CohereLabs/aya_evaluation_suite": "zho",
    },
    split_words="clt_ray.evaluation.scorers.segmentation:chinese",
    numbers=Numbers(
        label_words="步骤|步驟|方法",
        digits=tuple("零一二三四五六七八九"),
        more_digits={"〇": 0, "两": 2, "兩": 2},
        scales={"十": 10, "百": 100, "千": 10**3, "万": 10**4, "萬": 10**4, "亿": 10**8},
        myriads=True,
    ),
    answers=Answers(
        nouns="答案",
        links="是|为|為|等于|等於|应该是|應該是",
        labels="答|回答|解答",
        seeking="需要|可以通过|的方法",
        remarks="验算|检验|验证|检查|驗算|檢驗|驗證|注意?(?=:)|解释|说明",
        denied_before="不是|而非|并非|不等于",
        conclusions="因此|所以",
        questions="问题|題目|题目",
    ),
)
