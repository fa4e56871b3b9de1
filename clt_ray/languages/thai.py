"""The declaration of Thai."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="th",
    name="Thai",
    native_name="ไทย",
    script="Thai",
    family="Tai",
    three_letter_codes=("tha",),
    hub_names={"csebuetnlp/xlsum": "thai"},
    numbers=Numbers(
        scale_words={"พัน": 10**3, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6},
        scale_place="attached",
        label_words="ขั้นตอนที่|ขั้นที่|ข้อที่|ขั้นตอน",
        digits=("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"),
        more_digits={"ยี่": 2, "เอ็ด": 1},
        scales={"สิบ": 10, "ร้อย": 100, "พัน": 10**3, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6},
    ),
    answers=Answers(
        nouns="คำตอบ",
        links="คือ|เป็น|เท่ากับ|ได้แก่",
        labels="ตอบ",
        sought="หา|ได้",
        remarks="ตรวจสอบ|ตรวจคำตอบ|หมายเหตุ|คำอธิบาย",
        denied_before="ไม่ใช่",
        conclusions="ดังนั้น|เพราะฉะนั้น",
        questions="คำถาม|โจทย์",
    ),
)
