"""Two trainings with the same seed on the CPU give the same model, file by file."""

from pathlib import Path

from kg.sources.generated import generated_shop
from tests.support.bundles import train_small_shop


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    shop = generated_shop(products=80, brands=6, users=50, events=1500, seed=4)

    first, second = (
        train_small_shop(tmp_path / name, shop=shop, cache=tmp_path / "cache").bundle.manifest for name in ("a", "b")
    )

    learned = ("kernels/", "blend.json", "priors.npy", "text.npy", "network.safetensors", "snapshot/")
    files = {name: digest for name, digest in first["files"].items() if name.startswith(learned)}
    assert files == {name: digest for name, digest in second["files"].items() if name.startswith(learned)}
    assert {"blend.json", "priors.npy", "network.safetensors"} <= set(files)
