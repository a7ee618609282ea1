"""One falsifiable check per paper, and the ledger of what was measured: `python -m evidence --help`.

`evidence/<name>.py` holds `check() -> Claim` for the record `<slug>` (its slug with "_" for "-"). A check finishes within three
minutes on two cores, fetches nothing, and says in `baseline` what is measured where the method's idea is missing. A bound that
proves wrong is corrected with the reason in a comment beside it, never loosened silently.
"""
