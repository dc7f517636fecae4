"""What Tocsin does not watch, on purpose: the closed classes of matters that ``check-config`` refuses in names, titles and categories.

The words are a tripwire, not a proof: whoever maps a category answers for it. They stand in English and Chinese.
"""

from __future__ import annotations

import re

_CLASSES: tuple[tuple[str, str], ...] = (
    ("petitions and appeals", r"petition\w*|appeals?|grievances?|ombuds\w*|信访|上访|请愿|申诉"),
    (
        "complaints about officials",
        r"misconduct|corrupt\w*|brib\w*|abuse of (?:office|power)|internal affairs|(?:police|officer|official|employee|staff) complaints?"
        r"|(?:comments?|complaints?) (?:\w+ )?(?:about|against|for|on) (?:an? |the )?(?:official|officer|employee|police|mayor|councill?or)s?"
        r"|违纪|腐败|贪污|受贿|举报干部|投诉干部",
    ),
    ("speech", r"speech|censor\w*|rumou?rs?|slander\w*|defam\w*|libel|propaganda|言论|谣言|舆情"),
    ("belief", r"beliefs?|religio\w*|worship\w*|sects?|cults?|atheis\w*|宗教|信仰|邪教"),
    ("assembly", r"assembl(?:y|ies)|protests?|protesters?|demonstrat\w*|rally|rallies|riots?|picket\w*|marchers?|集会|游行|示威|抗议|聚众"),
    (
        "personal or medical records",
        r"medical|patients?|diagnos\w*|(?:health|personal|criminal|police|school|immigration) records?|personal data|passports?"
        r"|identity (?:cards?|checks?)|病历|病人|患者|身份证|个人信息",
    ),
    ("persons seen by a camera", r"fac(?:e|ial) recognition|faces?|licen[cs]e ?plates?|number ?plates?|gait|人脸|车牌"),
)
_PATTERNS = tuple((title, re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE)) for title, words in _CLASSES)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-/.]+")


def refused_class(text: str) -> tuple[str, str] | None:
    """The class a text falls into and the word that says so; None for what may be watched.

    >>> refused_class("General Comments For An Employee")
    ('complaints about officials', 'Comments For An Employee')
    >>> refused_class("Unsanitary Conditions - Employees") is None
    True
    >>> refused_class("LicensePlate")
    ('persons seen by a camera', 'License Plate')
    """
    words = " ".join(_HUMP.sub(" ", text).split())
    for title, pattern in _PATTERNS:
        match = pattern.search(words)
        if match is not None:
            return title, match[0]
    return None
