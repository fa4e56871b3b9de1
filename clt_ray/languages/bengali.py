"""The declaration of Bengali."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="bn",
    name="Bengali",
    native_name="বাংলা",
    script="Bengali",
    family="Indo-Aryan",
    three_letter_codes=("ben",),
    hub_names={"csebuetnlp/xlsum": "bengali", "CohereLabs/aya_evaluation_suite": "ben"},
    numbers=Numbers(
        scale_words={"হাজার": 10**3, "লাখ": 10**5, "লক্ষ": 10**5, "কোটি": 10**7},
        label_words="ধাপ",
        words=(
            "শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো "
            "আঠারো উনিশ বিশ 20:কুড়ি 30:ত্রিশ 40:চল্লিশ 50:পঞ্চাশ 60:ষাট 70:সত্তর 80:আশি 90:নব্বই "
            "100:একশ 1000:হাজার"
        ),
    ),
    answers=Answers(
        nouns="উত্তরটি|উত্তর|জবাব",
        links="হল|হলো|হ'ল|হবে|হচ্ছে|হয়|=",
        seeking="পেতে|খুঁজে|বের|নির্ণয়|জানতে",
        remarks="যাচাই|পরীক্ষা|দ্রষ্টব্য|ব্যাখ্যা",
        denied_after="নয়|না,",
        conclusions="অতএব|সুতরাং",
        questions="প্রশ্ন",
    ),
)
