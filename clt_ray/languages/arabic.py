"""The declaration of Arabic."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="ar",
    name="Arabic",
    native_name="العربية",
    script="Arabic",
    family="Semitic",
    three_letter_codes=("arb", "ara"),
    hub_names={
        "csebuetnlp/xlsum": "arabic",
        "lightblue/tagengo-gpt4": "Arabic",
        "CohereLabs/aya_evaluation_suite": "arb",
    },
    common=True,
    split_words="clt_ray.evaluation.scorers.segmentation:arabic",
    numbers=Numbers(
        scale_words={"ألف": 10**3, "آلاف": 10**3, "ألفا": 10**3, "مليون": 10**6, "ملايين": 10**6},
        label_words="الخطوة|خطوة",
        words=(
            "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة 20:عشرون 30:ثلاثون 40:أربعون "
            "50:خمسون 60:ستون 70:سبعون 80:ثمانون 90:تسعون 100:مئة 100:مائة 1000:ألف"
        ),
        conjunction="و",
    ),
    answers=Answers(
        nouns="الإجابة|الاجابة|إجابة|اجابة|الجواب|جواب",
        links="هي|هو|تساوي|تكون|يكون|يساوي|ستكون|سيكون",
        sought="إيجاد|ايجاد|على|لمعرفة|حساب|من",
        remarks="(?:لل|ال)?تحق[قّ]|لنتحقق|ملاحظة|التفسير|الشرح|التوضيح",
        denied_before="ليست?|وليس|لا",
        conclusions="لذلك|وبالتالي",
        questions="السؤال|سؤال",
    ),
)
