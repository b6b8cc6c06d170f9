"""The networks: shapes, sizes, and the earlier one's parameters to the last."""

from __future__ import annotations

import pytest

from blackett.errors import InputError
from blackett.gamma.preparation import BINS, FEATURES

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.xdist_group("learn")

from blackett.gamma import models  # noqa: E402

SOURCES = 105


def test_vega_has_its_parameters_layer_by_layer() -> None:
    """Figures from the layer table of the facts collected on the public code."""
    vega = models.Vega()
    assert models.parameters(vega) == 34_493_156
    assert models.parameters(vega.backbone) == 29_504 + 172_800 + 689_664 == 891_968
    assert models.parameters(vega.classifier) == 16_800_594
    assert models.parameters(vega.regressor) == 16_800_594


def test_vega_answers_in_its_shapes() -> None:
    vega = models.Vega().eval()
    stages, x = [], torch.zeros(2, 1, 1023)
    for layer in vega.backbone:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool1d | torch.nn.Flatten):
            stages.append(tuple(x.shape[1:]))
    assert stages == [(64, 511), (128, 255), (256, 127), (32_512,)]
    logits, activity = vega(torch.rand(3, 1023))
    assert logits.shape == activity.shape == (3, 82)
    assert (activity >= 0).all()
    assert (logits < 0).any()


def test_vega_starts_with_kaiming_weights_and_no_biases() -> None:
    vega = models.Vega()
    weight = vega.classifier[0].weight
    assert weight.std().item() == pytest.approx((2 / (1 + 0.1**2) / 512) ** 0.5, rel=0.01)
    assert not vega.backbone[0].bias.any()


@pytest.mark.parametrize("kind", ["compact", "mixer"])
def test_networks_answer_for_every_source(kind: str) -> None:
    network = models.build(kind, SOURCES, 448 if kind == "compact" else 32, 1)
    answer = network(torch.randn(4, FEATURES))
    assert answer._fields == models.OUTPUTS
    for name in ("presence", "log_share", "log_sigma"):
        assert getattr(answer, name).shape == (4, SOURCES)
    assert answer.unknown.shape == (4,)
    assert answer.shape.shape == (4, BINS)
    assert (answer.shape >= 0).all()
    assert answer.log_sigma.abs().max() < 4.0


def test_compact_stays_below_a_million() -> None:
    assert models.parameters(models.Compact(SOURCES)) < 1_000_000


def test_rows_do_not_see_each_other() -> None:
    network = models.Compact(SOURCES).eval()
    x = torch.randn(5, FEATURES)
    together = network(x).presence
    torch.testing.assert_close(network(x[2:3]).presence, together[2:3])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="'vega' is not one of compact, mixer"):
        models.build("vega", 3, 8, 1)
