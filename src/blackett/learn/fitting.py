"""The one training loop, on Lightning's Trainer: batches by number, checkpoints, logs, resuming.

A batch is a dict of arrays and is asked for by its number, so that a run that was killed goes on
with the batches that it would have had: `fit` with `resume=True` gives the same weights as a run
that nobody disturbed. With several processes (DDP) process r of n takes the batches r, r + n, ...
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from blackett.errors import InputError, MissingExtraError
from blackett.files import write_whole
from blackett.learn.curves import save_curves

try:
    import lightning
    import torch
    from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
    from torch.utils.data import DataLoader, IterableDataset
except ImportError as error:
    raise MissingExtraError("torch and lightning", "train", "training") from error

if TYPE_CHECKING:
    from pathlib import Path

    from blackett.learn.settings import Settings

__all__ = ["Batch", "BatchAt", "Fitted", "Judge", "Loss", "Progress", "Tensors", "fit"]

logger = logging.getLogger(__name__)

Batch: TypeAlias = Mapping[str, np.ndarray]
Tensors: TypeAlias = dict[str, "torch.Tensor"]
BatchAt: TypeAlias = Callable[[int], Batch]
"""Batch number i of a run, the same for the same i in any process."""
Loss: TypeAlias = Callable[["torch.nn.Module", Tensors], Tensors]
"""Scalars of a batch; "loss" is what is minimised, all are logged."""
Judge: TypeAlias = Callable[["torch.nn.Module"], Mapping[str, float]]
"""Scores of a network, made after each epoch; the lowest "loss" is the best."""
Progress: TypeAlias = Callable[[int, float, "float | None"], None]
"""Called after each epoch with the step, the loss and the validation loss."""


@dataclass(frozen=True)
class Fitted:
    """What `fit` leaves: `best` and `last` checkpoints, `steps` done, `curves` as a picture."""

    best: Path
    last: Path
    steps: int
    best_loss: float
    history: Path
    curves: Path


def fit(
    network: torch.nn.Module,
    loss: Loss,
    batch_at: BatchAt,
    settings: Settings,
    folder: Path,
    *,
    validation: Sequence[Batch] | Judge = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> Fitted:
    """Minimise `loss` over batches 0, 1, ...; afterwards `network` holds the best weights.

    The best are those of the lowest validation loss, without validation data the last. Where one
    loss of batches does not say what is best, `validation` is a function of the network. `folder`
    gets last.ckpt, best.ckpt, history.csv, curves.png and the logs asked for. Raises InputError
    when the folder holds a run already and `resume` is False, or holds none and it is True.
    """
    last = folder / "last.ckpt"
    if last.exists() and not resume:
        raise InputError(f"{folder} holds a run: resume it, or give another folder")
    if resume and not last.exists():
        raise InputError(f"{folder} holds no run to resume: last.ckpt is missing")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    monitor = "val_loss" if validation else "loss"
    judge = validation if callable(validation) else None
    batches = [{}] if callable(validation) else list(validation)
    task = _Task(network, loss, settings, monitor, judge)
    data = _Batches(batch_at, settings, batches)
    with _quiet():
        trainer = _trainer(settings, folder, monitor, progress)
        trainer.fit(task, data, ckpt_path=str(last) if resume else None, weights_only=False)
        _restore(network, folder / "best.ckpt")
    history = folder / "history.csv"
    picture = save_curves(history, folder / "curves.png")
    best = _best_loss(trainer)
    return Fitted(folder / "best.ckpt", last, trainer.global_step, best, history, picture)


def _trainer(
    settings: Settings, folder: Path, monitor: str, progress: Progress | None
) -> lightning.Trainer:
    on_cpu = settings.accelerator == "cpu" or not torch.cuda.is_available()
    return lightning.Trainer(
        accelerator="cpu" if on_cpu else "gpu",
        devices=settings.devices,
        strategy="ddp" if settings.devices > 1 else "auto",
        precision="32-true" if on_cpu and settings.precision == "16-mixed" else settings.precision,
        max_epochs=settings.epochs,
        max_steps=settings.steps,
        limit_train_batches=settings.steps_per_epoch,
        gradient_clip_val=settings.gradient_clip or None,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=settings.steps_per_epoch,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=_callbacks(settings, folder, monitor, progress),
        logger=_loggers(settings, folder),
        default_root_dir=folder,
    )


def _callbacks(
    settings: Settings, folder: Path, monitor: str, progress: Progress | None
) -> list[Callback]:
    found: list[Callback] = [
        _History(folder / "history.csv", progress),
        _checkpoint(folder, "best", monitor),
        _checkpoint(folder, "last", None),
    ]
    if settings.stop_patience:
        found.insert(
            0,
            EarlyStopping(monitor, min_delta=settings.stop_gain, patience=settings.stop_patience),
        )
    return found


def _checkpoint(folder: Path, name: str, monitor: str | None) -> ModelCheckpoint:
    # Lightning writes aside and renames: a killed run leaves the checkpoint before
    return ModelCheckpoint(
        folder, name, monitor=monitor, mode="min", save_top_k=1, every_n_epochs=1,
        save_on_train_epoch_end=True, enable_version_counter=False,
    )  # fmt: skip


def _loggers(settings: Settings, folder: Path) -> list[Logger]:
    found: list[Logger] = [CSVLogger(folder, name="", version="log")]
    if settings.tensorboard:
        found.append(TensorBoardLogger(folder, name="", version="tensorboard"))
    if settings.wandb != "off":
        offline = settings.wandb == "offline"
        try:
            found.append(WandbLogger(save_dir=folder, offline=offline, project="blackett"))
        except ModuleNotFoundError as error:
            raise MissingExtraError("wandb", "train,wandb", "logging to W&B") from error
    return found


def _restore(network: torch.nn.Module, checkpoint: Path) -> None:
    """Load the weights of a checkpoint of `fit` into the network that was fitted."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)["state_dict"]
    own = {k.removeprefix("network."): v for k, v in saved.items() if k.startswith("network.")}
    network.load_state_dict(own)
    network.eval()


def _best_loss(trainer: lightning.Trainer) -> float:
    found = [c for c in trainer.checkpoint_callbacks if getattr(c, "monitor", None)]
    return float(found[0].best_model_score)  # type: ignore[attr-defined]


class _Task(lightning.LightningModule):
    """A network and its loss, as Lightning wants them."""

    def __init__(
        self,
        network: torch.nn.Module,
        loss: Loss,
        settings: Settings,
        monitor: str,
        judge: Judge | None,
    ) -> None:
        super().__init__()
        self.network, self.loss, self.settings, self.monitor = network, loss, settings, monitor
        self.judge = judge

    def training_step(self, batch: Tensors, _: int) -> torch.Tensor:
        values = self.loss(self.network, batch)
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=1)
        return values["loss"]

    def validation_step(self, batch: Tensors, _: int) -> None:
        judged = self.judge(self.network) if self.judge else self.loss(self.network, batch)
        values = {f"val_{name}": v for name, v in judged.items()}
        self.log_dict(values, on_epoch=True, batch_size=1, sync_dist=self.settings.devices > 1)

    def configure_optimizers(self) -> Any:
        chosen, weights = self.settings, self.network.parameters()
        kind = torch.optim.AdamW if chosen.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(weights, chosen.learning_rate, weight_decay=chosen.weight_decay)
        if chosen.schedule == "constant":
            return optimizer
        if chosen.schedule == "cosine":
            rate = torch.optim.lr_scheduler.LambdaLR(optimizer, chosen.rate_share)
            return [optimizer], [{"scheduler": rate, "interval": "step"}]
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=chosen.plateau_factor, patience=chosen.plateau_patience,
            min_lr=chosen.least_rate,
        )  # fmt: skip
        return [optimizer], [{"scheduler": plateau, "monitor": self.monitor}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Checkpoints are written when an epoch is over: let it count as over.

        Lightning leaves the count to a later line; a resumed run would begin with an empty epoch.
        """
        state = checkpoint["loops"]["fit_loop"]
        for counts in state["epoch_progress"].values():
            counts["completed"] = counts["processed"]
        batches = state["epoch_loop.batch_progress"]
        batches["is_last_batch"] = False
        batches["current"] = dict.fromkeys(batches["current"], 0)


class _Stream(IterableDataset[Tensors]):
    """Batches first, first + stride, ... below stop; workers share them in turn."""

    def __init__(self, batch_at: BatchAt, first: int, stop: int, stride: int) -> None:
        self.batch_at, self.first, self.stop, self.stride = batch_at, first, stop, stride

    def __iter__(self) -> Iterator[Tensors]:
        worker = torch.utils.data.get_worker_info()
        mine, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for index in range(self.first + mine * self.stride, self.stop, of * self.stride):
            yield _tensors(self.batch_at(index))


def _tensors(batch: Batch) -> Tensors:
    return {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in batch.items()}


class _Batches(lightning.LightningDataModule):
    """The numbered batches of each epoch, shared out over processes."""

    def __init__(self, batch_at: BatchAt, settings: Settings, validation: list[Batch]) -> None:
        super().__init__()
        self.batch_at, self.settings = batch_at, settings
        self.validation = [_tensors(b) for b in validation]

    def train_dataloader(self) -> Any:
        assert self.trainer is not None  # noqa: S101 (Lightning sets it before it asks)
        ranks, per_epoch = self.trainer.world_size, self.settings.steps_per_epoch
        first = self.trainer.current_epoch * per_epoch * ranks
        steps = min(per_epoch, self.settings.steps - self.trainer.current_epoch * per_epoch)
        stream = _Stream(
            self.batch_at, first + self.trainer.global_rank, first + steps * ranks, ranks
        )
        return DataLoader(stream, batch_size=None, num_workers=self.settings.workers)

    def val_dataloader(self) -> Any:
        return DataLoader(self.validation, batch_size=None) if self.validation else []  # type: ignore[arg-type]


class _History(Callback):
    """Appends one line an epoch to history.csv; lines beyond a resumed checkpoint are dropped."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self.path, self.progress = path, progress
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        row = {"step": float(trainer.global_step), "learning_rate": rate, **values}
        self.rows = [*self.rows, row]
        if not trainer.is_global_zero:
            return
        names = list(row)
        lines = [",".join(names), *(",".join(f"{r[n]:.8g}" for n in names) for r in self.rows)]
        write_whole(self.path, ("\n".join(lines) + "\n").encode())
        if self.progress is not None:
            self.progress(trainer.global_step, values["loss"], values.get("val_loss"))


class _quiet:  # noqa: N801 (a context manager, used like a function)
    """Lightning's advice on settings chosen here on purpose is not shown."""

    ADVICE = (
        ".*does not have many workers.*",
        ".*number of training batches.*",
        ".*IterableDataset.*__len__.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*Experiment logs directory.*",
        ".*isinstance\\(treespec, LeafSpec\\).*",
        ".*`sync_dist=True`.*",
        ".*GPU available but not used.*",
        ".*tensorboardX.*",
    )

    def __enter__(self) -> None:
        self.caught = warnings.catch_warnings()
        self.caught.__enter__()
        for text in self.ADVICE:
            warnings.filterwarnings("ignore", message=text)
        self.level = logging.getLogger("lightning.pytorch").level
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    def __exit__(self, *details: object) -> None:
        logging.getLogger("lightning.pytorch").setLevel(self.level)
        self.caught.__exit__(*details)  # type: ignore[arg-type]
