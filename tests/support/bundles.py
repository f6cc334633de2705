"""A published bundle of a small generated shop, trained for real in some seconds. For tests of what is served."""

from dataclasses import replace
from pathlib import Path

from encoders.config import EncoderConfig
from gnn.bundles import BundleStore
from gnn.fuse import FuseConfig
from gnn.learn import LearnConfig
from gnn.model import ModelConfig
from gnn.train import TrainConfig
from kg.snapshot import build_snapshot
from kg.sources.generated import GeneratedShop, generated_shop
from serving.gate.config import GateConfig
from serving.retrain import Place, Retrained, retrain
from serving.retrain_config import RetrainConfig

REASON_USERS = 30
"""Whose lists the reasons of such a model are measured on."""


def small_shop(seed: int = 0) -> GeneratedShop:
    """Return a shop that is small enough to learn from in seconds and large enough to have habits."""
    return generated_shop(products=240, brands=14, users=160, events=5_000, seed=seed)


def quick_config(seed: int = 0) -> RetrainConfig:
    """Return settings that learn in seconds and give the same bundle for the same seed."""
    learn = LearnConfig(
        fuse=FuseConfig(max_users=100, candidates=20, mass_powers=(1.0,), k=10),
        model=ModelConfig(dim=16, heads=2, layers=1),
        train=TrainConfig(epochs=2, batch_size=256, seed=seed, device="cpu"),
        k=10,
    )
    return RetrainConfig(encoder=EncoderConfig(precision="fp32"), learn=learn, gate=quick_gate())


def quick_gate(**limits: float) -> GateConfig:
    """Return the limits of the gate, its reasons measured on fewer users, which else take as long as the learning."""
    return replace(GateConfig(reason_users=REASON_USERS), **limits)


def train_small_shop(
    room: Path, *, shop: GeneratedShop | None = None, cache: Path | None = None, gate: GateConfig | None = None
) -> Retrained:
    """Train on the small shop and publish into `room/bundles`."""
    snapshot, config = build_snapshot((shop or small_shop()).tables), replace(quick_config(), gate=gate or quick_gate())
    return retrain(snapshot, Place(BundleStore(room / "bundles"), cache or room / "cache"), config=config)


def tiny_bundle_store(room: Path) -> BundleStore:
    """Return a store below `room` with one published bundle of the small shop."""
    train_small_shop(room)
    return BundleStore(room / "bundles")
