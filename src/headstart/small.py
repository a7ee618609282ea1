"""What recipes take instead of their papers' settings where encoders are narrow and time is short."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {  # for narrow encoders and minutes on a CPU: measured, docs/log.md says how
    "mae": {"ratio": 0.6, "depth": 1, "optim.lr": 2e-3, "data.batch": 64},
    "gmml": {"optim.lr": 2e-3, "data.batch": 64},
    "dino": {"codes": 2048, "local": 4, "optim.lr": 1e-3, "data.batch": 64},
    "gpt_series": {"optim.lr": 2e-3, "data.batch": 64},
    # from their checks, at width 32 to 96 and a few hundred steps on made-up data: docs/log.md, 2026-11-26
    "astrom3": {"width": 128, "optim.lr": 2e-3, "data.batch": 128},
    "beats": {"codes": 256, "rounds": 2, "share": 0.4, "optim.lr": 2e-3, "data.batch": 64},
    "croco": {"depth": 1, "optim.lr": 4e-3, "data.batch": 32},
    "cropmae": {"depth": 1, "optim.lr": 3e-3, "data.batch": 32},
    "cytofm_ibot": {"codes": 1024, "local": 4, "optim.lr": 2e-3, "data.batch": 32},
    "dcpt": {"optim.lr": 1e-3, "data.batch": 32},
    "droppos": {"optim.lr": 2e-3, "data.batch": 64},
    "ecg_jepa": {"depth": 2, "optim.lr": 2e-3, "data.batch": 64},
    "eegdm": {"optim.lr": 3e-3, "data.batch": 32},
    "explora": {"rank": 16, "optim.lr": 2e-3, "data.batch": 64},
    "graphmae": {"optim.lr": 2e-3, "data.batch": 64},
    "m3ae_medical": {"depth": 1, "optim.lr": 2e-3, "data.batch": 64},
    "mmc": {"codes": 512, "width": 256, "optim.lr": 4e-3, "data.batch": 32},
    "mp3_position_prediction": {"optim.lr": 2e-3, "data.batch": 64},
    "mugs": {"codes": 1024, "local": 4, "queue": 4096, "optim.lr": 2e-3, "data.batch": 64},
    "pasta": {"optim.lr": 2e-3, "data.batch": 64},
    "poa": {"codes": 512, "local": 2, "optim.lr": 4e-3, "data.batch": 32},
    "point_bert": {"codes": 256, "queue": 1024, "optim.lr": 2e-3, "data.batch": 32},
    "point_cmae": {"depth": 1, "restore": 1.0, "optim.lr": 2e-3, "data.batch": 32},
    "rotnet": {"optim.lr": 3e-3, "data.batch": 48},
    "satmae_pp": {"depth": 2, "optim.lr": 4e-3, "data.batch": 16},
    "selfpatch": {"codes": 1024, "row_codes": 512, "local": 4, "optim.lr": 1e-3, "data.batch": 32},
    "sit": {"width": 256, "optim.lr": 4e-3, "data.batch": 32},
    "ssast": {"ratio": 0.6, "optim.lr": 4e-3, "data.batch": 16},
    "structural_ssl_rts_slm": {"optim.lr": 2e-3, "data.batch": 64},
    "swav": {"codes": 300, "local": 2, "queue": 1024, "optim.lr": 4e-3, "data.batch": 64},
    "t_jepa": {"depth": 2, "optim.lr": 2e-3, "data.batch": 64},
    "tera": {"optim.lr": 4e-3, "data.batch": 16},
    "transtab": {"overlap": 0.0, "optim.lr": 2e-3, "data.batch": 64},
    "ul2": {"depth": 1, "optim.lr": 2e-3, "data.batch": 64},
    "uni4eye": {"depth": 1, "optim.lr": 4e-3, "data.batch": 32},
    "videomae": {"depth": 1, "optim.lr": 2e-3, "data.batch": 64},
}
SMALL_WIDTH = 192  # encoders up to this width take them; wider ones the paper's
