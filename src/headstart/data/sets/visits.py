"""visits: 2,000 SIMULATED patients, their laboratory values, drugs and visits over years; which chronic condition each has.

Nothing here is real: real health records may not be passed on. The model is small, so that it is known what can be learnt.
"""

import numpy as np

from ..source import DataError, Source
from ..sources.listed import ListSource

CONDITIONS = ("none", "diabetes", "kidney disease", "heart failure")
SHARE = (0.4, 0.25, 0.15, 0.2)
GAP = (120.0, 105.0, 100.0, 100.0)  # mean days between visits
#               name               mean  between  within   change per year by condition      chance to be taken at a visit
LABS = {
    "LAB/hba1c [%]": (5.4, 0.3, 0.2, (0.0, 0.3, 0.0, 0.05), (0.2, 0.3, 0.2, 0.2)),
    "LAB/glucose [mmol/l]": (5.3, 0.5, 0.8, (0.0, 0.4, 0.0, 0.1), (0.4, 0.5, 0.4, 0.4)),
    "LAB/creatinine [umol/l]": (78.0, 12.0, 6.0, (0.3, 1.0, 7.0, 2.5), (0.3, 0.3, 0.4, 0.4)),
    "LAB/potassium [mmol/l]": (4.1, 0.2, 0.25, (0.0, 0.0, 0.08, 0.02), (0.3, 0.3, 0.4, 0.4)),
    "LAB/nt-probnp [log pg/ml]": (4.2, 0.5, 0.3, (0.05, 0.1, 0.15, 0.35), (0.05, 0.06, 0.1, 0.15)),
    "VITAL/systolic [mmHg]": (124.0, 10.0, 8.0, (0.5, 1.5, 3.0, -1.5), (0.9, 0.9, 0.9, 0.9)),
    "VITAL/weight [kg]": (76.0, 14.0, 1.0, (0.1, 0.6, -0.2, 0.8), (0.6, 0.6, 0.6, 0.7)),
}
#         drug            given when this lab           is above
DRUGS = {
    "DRUG/metformin": ("LAB/hba1c [%]", 6.5),
    "DRUG/insulin": ("LAB/hba1c [%]", 8.0),
    "DRUG/amlodipine": ("VITAL/systolic [mmHg]", 145.0),
    "DRUG/ramipril": ("VITAL/systolic [mmHg]", 138.0),
    "DRUG/furosemide": ("LAB/nt-probnp [log pg/ml]", 6.0),
    "DRUG/sodium zirconium": ("LAB/potassium [mmol/l]", 4.9),
}


def load(split: str = "all", patients: int = 2000) -> Source:
    """One record per patient, 1 to 6 years long. The condition is never coded: it shows in how values drift, and in what is done.

    A value is mean + patient's own offset (normal) + drift per year since onset + noise (normal). Onset is anywhere in the
    record, so some conditions have not shown yet. A drug follows a value above its limit with probability 0.8. Visits are a
    Poisson process, a tenth of them emergencies (0.15 in heart failure). The same patients every time.
    """
    if split != "all":
        raise DataError(f"visits has no split {split}: write visits")
    rng = np.random.default_rng(1961)
    labels = rng.choice(len(CONDITIONS), patients, p=SHARE)
    records = [_record(int(condition), rng) for condition in labels]
    return ListSource(records, "events", labels, CONDITIONS, title="visits (simulated)")


def _record(condition: int, rng: np.random.Generator) -> dict[str, object]:
    years = rng.uniform(1, 6)
    onset = rng.uniform(0, 0.9) * years
    visits = np.cumsum(rng.exponential(GAP[condition], 1 + rng.poisson(365 * years / GAP[condition])))
    own = {name: rng.normal(0, between) for name, (_, between, *_) in LABS.items()}
    codes: list[str] = []
    values: list[float] = []
    times: list[float] = []

    def note(code: str, value: float, time: float) -> None:
        codes.append(code)
        values.append(value)
        times.append(time)

    for day in np.floor(visits).tolist():
        emergency = rng.random() < (0.15 if condition == 3 else 0.1)
        note("VISIT/emergency" if emergency else "VISIT/practice", np.nan, day)
        ill = max(0.0, day / 365 - onset)
        last: dict[str, float] = {}
        for name, (mean, _, within, drift, chance) in LABS.items():
            if rng.random() < chance[condition]:
                last[name] = round(mean + own[name] + drift[condition] * ill + rng.normal(0, within), 2)
                note(name, last[name], day)
        for drug, (name, limit) in DRUGS.items():
            if last.get(name, -np.inf) > limit and rng.random() < 0.8:
                note(drug, np.nan, day)
    return {"code": codes, "value": np.array(values), "time": np.array(times)}
