"""How a network is fitted: one record, the same fields in a recipe and in Python; without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from blackett.errors import InputError

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of `fit`. Raises InputError for values that contradict each other."""

    steps: int = 10_000
    """Optimiser steps at most."""
    steps_per_epoch: int = 500
    """Steps between two looks at the validation data; a checkpoint is written after each."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    """adam adds the decay to the gradient (L2), adamw to the weights (Loshchilov & Hutter 2019)."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    """cosine: down to `least_rate` at the last step, after a linear `warmup_steps`; plateau:
    times `plateau_factor` when the validation loss has not fallen for `plateau_patience` epochs."""
    warmup_steps: int = 0
    least_rate: float = 1e-6
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    stop_patience: int = 0
    """Epochs without a fall of the validation loss by `stop_gain` after which to stop; 0: never."""
    stop_gain: float = 1e-4
    gradient_clip: float = 0.0
    """Largest norm of the gradient; 0: no clipping."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """16-mixed scales gradients and needs an accelerator; on a processor 32-true is used for it."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    """Processes that share the work (DDP); start them with torchrun, or leave it to Lightning."""
    workers: int = 0
    """Processes that make batches; 0: the process that trains makes them."""
    threads: int = 1
    """Threads of one process on a processor."""
    seed: int = 1
    tensorboard: bool = False
    wandb: Literal["off", "offline", "online"] = "off"

    def __post_init__(self) -> None:
        for name in ("steps", "steps_per_epoch", "devices", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("warmup_steps", "workers", "stop_patience", "plateau_patience", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}: it must not be negative")
        for name in ("learning_rate", "least_rate", "weight_decay", "gradient_clip", "stop_gain"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise InputError(f"{name} is {value}: it must be a number, not negative")
        if self.warmup_steps >= self.steps:
            raise InputError(f"warmup_steps {self.warmup_steps} reach the last of {self.steps}")
        if not 0.0 < self.plateau_factor < 1.0:
            raise InputError(f"plateau_factor is {self.plateau_factor}: between 0 and 1, please")

    @property
    def epochs(self) -> int:
        """Epochs at most; the last may be cut short."""
        return math.ceil(self.steps / self.steps_per_epoch)

    def rate_share(self, step: int) -> float:
        """Learning rate at a step relative to `learning_rate`, for the schedule "cosine"."""
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        least = self.least_rate / self.learning_rate if self.learning_rate else 0.0
        return least + (1.0 - least) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
