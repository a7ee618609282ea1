"""One falsifiable check per paper, and the ledger of what was measured: `python -m evidence --help`.

`evidence/<name>.py` holds `check(trial)` for the record `<slug>` (its slug with "_" for "-"), which gives figures with bounds.
It is asked of the recipe as it is, without each idea that the recipe declares (IDEAS), and without training, each with three
seeds of weights, order and data. A row holds if every figure keeps its bound with every seed, and every idea, taken out, breaks
one with every seed; ideas that nothing shows at this scale are named with the reason in the check's NOT_SHOWN. Bounds are
chosen by `run --pilot`, whose seeds are others. A check fetches nothing and finishes, all of it, within a few minutes on one
core.
"""
