"""WordNet 3.0: what 117,000 meanings of English words are said to mean; the field each belongs to is its label.

From the Debian package wordnet-base. The labels are the 45 lexicographers' files, such as noun.animal and verb.motion
(Fellbaum 1998; lexnames(5WN)). The default leaves out adjectives and adverbs, which have one file for all.
"""

import re

from ..source import DataError
from ..sources.listed import ListSource
from ._debian import unpacked

FIELDS = (
    *(
        "adj.all",
        "adj.pert",
        "adv.all",
        "noun.Tops",
        "noun.act",
        "noun.animal",
        "noun.artifact",
        "noun.attribute",
        "noun.body",
    ),
    *("noun.cognition", "noun.communication", "noun.event", "noun.feeling", "noun.food", "noun.group", "noun.location"),
    *("noun.motive", "noun.object", "noun.person", "noun.phenomenon", "noun.plant", "noun.possession", "noun.process"),
    *(
        "noun.quantity",
        "noun.relation",
        "noun.shape",
        "noun.state",
        "noun.substance",
        "noun.time",
        "verb.body",
        "verb.change",
    ),
    *("verb.cognition", "verb.communication", "verb.competition", "verb.consumption", "verb.contact", "verb.creation"),
    *(
        "verb.emotion",
        "verb.motion",
        "verb.perception",
        "verb.possession",
        "verb.social",
        "verb.stative",
        "verb.weather",
        "adj.ppl",
    ),
)
SPLITS = {"fields": ("noun", "verb"), "nouns": ("noun",), "verbs": ("verb",), "all": ("noun", "verb", "adj", "adv")}


def load(split: str = "fields") -> ListSource:
    """The definition and examples, without the words they define. Splits: fields (nouns and verbs), nouns, verbs, all."""
    if split not in SPLITS:
        raise DataError(f"wordnet has no split {split}: write one of {', '.join('wordnet:' + name for name in SPLITS)}")
    folder = unpacked("wordnet-base", "usr/share/wordnet")
    glosses, labels, names = [], [], []
    for part in SPLITS[split]:
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            head, bar, gloss = line.partition(" | ")
            found = re.match(r"\d{8} (\d\d) \w [0-9a-f]{2} (\S+)", head)
            if bar and found and int(found[1]) < len(FIELDS) and gloss.strip():
                glosses.append(gloss.strip())
                labels.append(FIELDS[int(found[1])])
                names.append(found[2])
    return ListSource(glosses, "text", labels, names=names, title=f"wordnet:{split}")
