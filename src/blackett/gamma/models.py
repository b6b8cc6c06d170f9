"""The networks: smallest block first, shapes at every step.

`Compact` is ours: one row of features (see `preparation`) to presence, net rate, expected spectrum
and a score for "something unknown". `Mixer` is the same with convolutions over energy. `Vega` is
the CNN-FCNN of earlier work, layer by layer (ml-for-isotope-identification, facts collected from
its public code), with 34,493,156 parameters for its 82 isotopes.
"""

from __future__ import annotations

from typing import NamedTuple

from blackett.errors import InputError, MissingExtraError
from blackett.gamma.preparation import BINS, FEATURES

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError("torch", "train", "building a network") from error

__all__ = ["OUTPUTS", "Answer", "Compact", "Mixer", "Vega", "build", "parameters"]

OUTPUTS = ("presence", "log_share", "log_sigma", "unknown", "shape")
"""Outputs of `Compact` and `Mixer` by name, in the order of `Answer`."""


class Answer(NamedTuple):
    """What a network says of n spectra and S sources."""

    presence: Tensor
    """Logit that a source is present, (n, S)."""
    log_share: Tensor
    """Natural logarithm of its net counts over all counts, if present, (n, S)."""
    log_sigma: Tensor
    """Logarithm of the standard deviation of `log_share`, (n, S)."""
    unknown: Tensor
    """Logit that something is there that is none of the sources, (n,)."""
    shape: Tensor
    """Expected spectrum in the form of the first BINS features, (n, BINS)."""


def parameters(network: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in network.parameters())


class Residual(nn.Module):
    """x + W2 act(W1 norm(x)), width kept; `wide` times as many units inside."""

    def __init__(self, width: int, wide: float) -> None:
        super().__init__()
        inner = int(width * wide)
        self.norm = nn.LayerNorm(width)
        self.into, self.out = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:  # (..., width) -> (..., width)
        moved: Tensor = x + self.out(nn.functional.silu(self.into(self.norm(x))))
        return moved


class Heads(nn.Module):
    """From an embedding (n, width) to an `Answer`."""

    def __init__(self, width: int, sources: int) -> None:
        super().__init__()
        self.sources = sources
        self.norm = nn.LayerNorm(width)
        self.presence = nn.Linear(width, sources)
        self.share = nn.Linear(width, 2 * sources)
        self.unknown = nn.Linear(width, 1)
        self.shape = nn.Linear(width, BINS)
        nn.init.constant_(self.presence.bias, -3.5)  # about as rare as a source is

    def forward(self, x: Tensor) -> Answer:
        x = nn.functional.silu(self.norm(x))
        share = self.share(x)  # (n, 2 S)
        return Answer(
            self.presence(x),
            share[:, : self.sources] - 2.0,
            4.0 * torch.tanh(0.25 * share[:, self.sources :]),
            self.unknown(x)[:, 0],
            nn.functional.softplus(self.shape(x)),
        )


class Compact(nn.Module):
    """A perceptron with residual blocks on the row of features."""

    def __init__(self, sources: int, width: int = 376, blocks: int = 2, wide: float = 1.0) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.Sequential(*(Residual(width, wide) for _ in range(blocks)))
        self.heads = Heads(width, sources)

    def forward(self, features: Tensor) -> Answer:
        """Answer to rows of features, (n, FEATURES)."""
        answer: Answer = self.heads(self.blocks(self.stem(features)))  # (n, width)
        return answer


class MixerBlock(nn.Module):
    """Depthwise convolution along energy, then a mix of channels; both residual."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.across = Residual(width, 2.0)

    def forward(self, x: Tensor) -> Tensor:  # (n, width, length), both ways
        x = x + nn.functional.silu(self.along(x))
        mixed: Tensor = self.across(x.transpose(1, 2)).transpose(1, 2)
        return mixed


class Attention(nn.Module):
    """`queries` learned weightings of the places along energy: (n, width, length) -> (n, q w)."""

    def __init__(self, width: int, queries: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, queries)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (n, length, width)
        weight = torch.softmax(self.score(x), dim=1)  # (n, length, queries)
        return torch.einsum("nlq,nlw->nqw", weight, x).flatten(1)


class Mixer(nn.Module):
    """Convolutions over energy with attention pooling, and the scalars beside them."""

    def __init__(
        self, sources: int, width: int = 32, blocks: int = 3, kernel: int = 9, queries: int = 12
    ) -> None:
        super().__init__()
        self.stem = nn.Conv1d(3, width, 8, stride=4, padding=2)
        self.place = nn.Parameter(0.02 * torch.randn(width, BINS // 4))
        self.blocks = nn.Sequential(*(MixerBlock(width, kernel) for _ in range(blocks)))
        self.pool = Attention(width, queries)
        self.join = nn.Linear(queries * width + FEATURES - 3 * BINS, 448)
        self.heads = Heads(448, sources)

    def forward(self, features: Tensor) -> Answer:
        """Answer to rows of features, (n, FEATURES)."""
        spectra = features[:, : 3 * BINS].reshape(-1, 3, BINS)
        x = self.blocks(self.stem(spectra) + self.place)  # (n, width, BINS / 4)
        scalars = features[:, 3 * BINS :]
        answer: Answer = self.heads(self.join(torch.cat([self.pool(x), scalars], dim=1)))
        return answer


# --- Vega ----------------------------------------------------------------------------

VEGA_CHANNELS = 1023
VEGA_ISOTOPES = 82


def _convolution(into: int, out: int) -> list[nn.Module]:
    return [nn.Conv1d(into, out, 7, padding=3), nn.BatchNorm1d(out), nn.LeakyReLU(0.1)]


def _vega_stage(into: int, out: int) -> list[nn.Module]:
    """Two convolutions, pooled by two, whole channels dropped: length halves."""
    return [
        *_convolution(into, out),
        *_convolution(out, out),
        nn.MaxPool1d(2),
        nn.Dropout1d(0.1),
    ]


def _vega_head(isotopes: int) -> nn.Sequential:
    """32,512 -> 512 -> 256 -> isotopes."""
    layers: list[nn.Module] = []
    for into, out in ((256 * 127, 512), (512, 256)):
        layers += [nn.Linear(into, out), nn.BatchNorm1d(out), nn.LeakyReLU(0.1), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(256, isotopes))


class Vega(nn.Module):
    """Spectrum (n, 1023), largest channel 1, to presence logits and activities over 1000 Bq.

    Both (n, isotopes). Weights start Kaiming normal (fan-out, slope 0.1), biases at 0.
    """

    def __init__(self, isotopes: int = VEGA_ISOTOPES) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            *_vega_stage(1, 64), *_vega_stage(64, 128), *_vega_stage(128, 256), nn.Flatten()
        )
        self.classifier = _vega_head(isotopes)
        self.regressor = nn.Sequential(_vega_head(isotopes), nn.ReLU())
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_out")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Presence logits and activities over 1000 Bq, (n, isotopes) each."""
        seen = self.backbone(spectrum[:, None, :])  # (n, 32512)
        return self.classifier(seen), self.regressor(seen)


def build(name: str, sources: int, width: int, blocks: int) -> nn.Module:
    """A network by the name of a recipe: compact or mixer; InputError for another name."""
    if name == "compact":
        return Compact(sources, width, blocks)
    if name == "mixer":
        return Mixer(sources, width, blocks)
    raise InputError(f"network {name!r} is not one of compact, mixer")
