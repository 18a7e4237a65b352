"""Texts that people give devices: names, sites and such."""

from typing import Annotated

import msgspec

LONGEST_LABEL = 200
MOST_GROUPS = 20
LABEL_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]+(?!\n)$"
LABEL_RULE = f"a text has 1 to {LONGEST_LABEL} characters, without control characters"

Label = Annotated[
    str,
    msgspec.Meta(
        title="Label",
        description=f"{LABEL_RULE[0].upper()}{LABEL_RULE[1:]}.",
        min_length=1,
        max_length=LONGEST_LABEL,
        pattern=LABEL_PATTERN,
    ),
]
Groups = Annotated[list[Label], msgspec.Meta(max_length=MOST_GROUPS)]
