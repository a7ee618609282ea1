"""MLflow, in a file: `MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri RUN/mlruns`."""

import os
from pathlib import Path

from ..extras import need
from . import Sink

EXPERIMENT = "headstart"


class _Run:
    def __init__(self, folder: Path, name: str) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # which would open the network
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # the store of its small package, which has no database
        need("mlflow", "mlflow", "run.log=mlflow")
        self.client = need("mlflow.tracking", "mlflow", "run.log=mlflow").MlflowClient(
            (folder / "mlruns").resolve().as_uri()
        )
        there = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = there.experiment_id if there else self.client.create_experiment(EXPERIMENT)
        before = self.client.search_runs([experiment])
        run = before[0] if before else self.client.create_run(experiment, run_name=name)
        self.id: str = run.info.run_id
        self.client.update_run(self.id, status="RUNNING")

    def numbers(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.id, name.replace("@", " at "), value, step=step)

    def close(self) -> None:
        self.client.set_terminated(self.id)


def sink(folder: Path, name: str) -> Sink:
    """The one run of a store in `folder/mlruns`."""
    return _Run(folder, name)
