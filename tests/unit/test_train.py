"""Training of the network: same seed, falling loss, early stop, warm start, and a loss that is no number."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from gnn.config import ModelConfig, TrainConfig
from gnn.errors import ConfigError, NonFiniteLoss, TooLittleData
from gnn.examples import make_examples
from gnn.graph import build_graph
from gnn.model import GraphAttentionNetwork
from gnn.stopwatch import Stopwatch
from gnn.train import STAGES, Trained, pick_device, train_network
from kg.kernels import EmbeddingKernel
from kg.progress import Progress, silent
from kg.snapshot import Snapshot, select_events
from tests.support.checkerboard import checkerboard
from tests.support.random_shops import random_snapshot

SHAPE = ModelConfig(dim=8, heads=2, layers=1)
CONFIG = TrainConfig(epochs=3, batch_size=16, step_size=32, min_steps=1, device="cpu")
BOARD = checkerboard().snapshot


def run(
    config: TrainConfig = CONFIG,
    *,
    snapshot: Snapshot = BOARD,
    model: ModelConfig = SHAPE,
    validate: Callable[[EmbeddingKernel], float] | None = None,
    start: Trained | None = None,
    stop_after: int | None = None,
    clock: Stopwatch | None = None,
    progress: Progress = silent,
) -> Trained:
    rng = np.random.default_rng(0)
    vectors = {
        label: rng.normal(size=(table.num_rows, 4)).astype(np.float32) for label, table in snapshot.nodes.items()
    }
    data = build_graph(snapshot, vectors)
    return train_network(
        data,
        make_examples(snapshot),
        model=model,
        config=config,
        validate=validate,
        start=None if start is None else start.weights,
        stop_after=stop_after,
        clock=clock,
        progress=progress,
    )


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second = run(), run()

    assert first.losses == second.losses
    for name, tensor in first.weights.items():
        assert torch.equal(tensor, second.weights[name]), name
    np.testing.assert_array_equal(first.kernel.query, second.kernel.query)


def test_another_seed_gives_other_weights() -> None:
    assert run().losses != run(replace(CONFIG, seed=1)).losses


def test_a_training_leaves_the_random_numbers_of_others_alone() -> None:
    np.random.seed(7)
    before = np.random.get_state()[1].tolist()

    run()

    assert before == np.random.get_state()[1].tolist()


def test_the_seconds_of_every_stage_are_counted_and_are_most_of_an_epoch() -> None:
    clock = Stopwatch(exact=True)

    trained = run(clock=clock, validate=lambda kernel: 1.0)

    assert set(STAGES) == set(clock.laps)
    assert len(trained.losses) == len(trained.epochs_s)
    assert sum(trained.epochs_s) >= clock.seconds(STAGES[:-1]) > 0.5 * sum(trained.epochs_s)


def test_the_loss_falls() -> None:
    losses = run(replace(CONFIG, epochs=25, learning_rate=0.02)).losses

    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_both_vectors_of_a_product_have_length_one(layers: int) -> None:
    kernel = run(model=replace(SHAPE, layers=layers)).kernel

    for table in (kernel.query, kernel.target):
        assert (8, 8) == table.shape
        np.testing.assert_allclose(np.linalg.norm(table, axis=1), 1.0, atol=1e-5)


def test_a_loss_that_is_no_number_stops_at_once() -> None:
    steps: list[int] = []
    rng = np.random.default_rng(0)
    vectors = {"Product": rng.normal(size=(8, 4)).astype(np.float32)}
    vectors["Product"][3, 1] = np.nan

    with pytest.raises(NonFiniteLoss, match="loss became nan; lower"):
        train_network(
            build_graph(BOARD, vectors),
            make_examples(BOARD),
            model=SHAPE,
            config=CONFIG,
            progress=lambda name, done, of: steps.append(done),
        )

    assert [] == steps


def test_the_best_epoch_is_kept_and_no_epoch_beyond_patience_is_run() -> None:
    values, kernels = iter([0.1, 0.5, 0.3, 0.2, 0.9]), []

    def validate(kernel: EmbeddingKernel) -> float:
        kernels.append(kernel)
        return next(values)

    trained = run(replace(CONFIG, epochs=5, patience=1), validate=validate)

    assert (2, (0.1, 0.5, 0.3, 0.2), 4) == (trained.best_epoch, trained.values, len(trained.losses))
    np.testing.assert_array_equal(kernels[1].target, trained.kernel.target)
    assert not np.array_equal(kernels[-1].target, trained.kernel.target)


def test_of_equal_values_kernel_and_epoch_are_of_the_same_epoch() -> None:
    kernels = []

    def validate(kernel: EmbeddingKernel) -> float:
        kernels.append(kernel)
        return 0.5

    trained = run(replace(CONFIG, epochs=4, patience=9), validate=validate)

    np.testing.assert_array_equal(kernels[trained.best_epoch - 1].target, trained.kernel.target)


def test_a_warm_start_continues_where_the_other_ended() -> None:
    first = run(replace(CONFIG, epochs=25, learning_rate=0.02))
    config = replace(CONFIG, epochs=1, learning_rate=1e-4)

    warm, cold = run(config, start=first), run(config)

    assert warm.losses[0] < 0.9 * cold.losses[0]
    assert pytest.approx(first.losses[-1], rel=0.2) == warm.losses[0]


def test_a_network_of_one_cut_continues_on_another_cut_of_the_same_shop() -> None:
    first = run(snapshot=random_snapshot(0))

    assert 1 <= len(run(snapshot=random_snapshot(0, events=90), start=first).losses)


@pytest.mark.parametrize("events", [0, 1])
def test_too_few_events_are_said_to_be_too_few(events: int) -> None:
    with pytest.raises(TooLittleData, match="nothing to predict"):
        run(snapshot=random_snapshot(0, events=events))


def steps_of(config: TrainConfig, *, snapshot: Snapshot = BOARD) -> tuple[int, int]:
    """Return how many optimiser steps a training took, and in how many epochs."""
    told: list[tuple[str, int, int | None]] = []

    losses = run(config, snapshot=snapshot, progress=lambda name, done, of: told.append((name, done, of))).losses

    assert [("train", step, len(told)) for step in range(1, len(told) + 1)] == told
    return len(told), len(losses)


NUM_EXAMPLES = len(make_examples(BOARD))


def test_several_batches_of_one_step_are_one_step() -> None:
    split, whole = (steps_of(replace(CONFIG, batch_size=size)) for size in (4, 32))

    assert (3, 3) == split == whole


def test_a_pass_is_cut_into_steps() -> None:
    assert 16 == NUM_EXAMPLES

    assert (3 * 4, 3) == steps_of(replace(CONFIG, step_size=5))


def test_small_data_is_passed_over_until_there_are_enough_steps_in_epochs_of_its_own_number() -> None:
    """Sixteen examples are two steps of eight: three passes make the least of five."""
    assert (4 * 6, 4) == steps_of(replace(CONFIG, step_size=8, min_steps=5, small_epochs=4))


def test_a_training_that_is_stopped_early_is_the_beginning_of_the_whole_one() -> None:
    whole, part = run(replace(CONFIG, epochs=5)), run(replace(CONFIG, epochs=5), stop_after=2)

    assert (whole.losses[:2], 2) == (part.losses, part.best_epoch)


def test_data_that_has_enough_steps_is_passed_over_once() -> None:
    assert (3 * 2, 3) == steps_of(replace(CONFIG, step_size=8, min_steps=2))


def test_of_a_large_catalogue_only_so_many_examples_are_drawn() -> None:
    """Logits for ten examples of eight products are two steps of five, though there are sixteen examples."""
    assert (3 * 2, 3) == steps_of(replace(CONFIG, step_size=5, logits_per_epoch=10.0 * 8))


def test_data_without_order_is_learned_from_too() -> None:
    shop = random_snapshot(0, order="none", events=90)

    first, again = (run(snapshot=shop), run(snapshot=shop))

    assert first.losses == again.losses
    assert first.losses[-1] < first.losses[0]


@pytest.mark.parametrize(
    "wrong",
    [{"logits_per_epoch": 0.5}, {"step_size": 0}, {"min_steps": 0}, {"small_epochs": 0}, {"learning_rate": -1.0}],
)
def test_a_setting_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong

    with pytest.raises(ConfigError, match=rf"\[train\] {name} must be"):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]  # parametrised


def test_dropped_own_vectors_change_training_and_not_serving() -> None:
    vectors = {"Product": np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)}
    network = GraphAttentionNetwork(build_graph(BOARD, vectors), replace(SHAPE, id_dropout=0.5))

    still = [network.propagate().query for _ in range(2)]
    drawn = network.propagate(torch.Generator().manual_seed(0)).query

    assert torch.equal(*still)
    assert not torch.allclose(still[0], drawn)


def test_a_user_is_the_fading_sum_of_the_history() -> None:
    vectors = {"Product": np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)}
    network = GraphAttentionNetwork(build_graph(BOARD, vectors), SHAPE)
    query = network.propagate().query.detach()
    fade = float(network.log_decay.detach().exp())
    expected = query[3] + float(np.exp(-2 / fade)) * query[5]

    found = network.users(
        query, torch.tensor([[3, 5, 0]]), torch.tensor([[0.0, 2.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    )

    torch.testing.assert_close(found[0], expected / expected.norm())


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if torch.cuda.is_available():
        assert "cuda" == pick_device("auto").type
        return
    assert "cpu" == pick_device("auto").type
    with pytest.raises(ConfigError, match="sees no GPU"):
        pick_device("cuda")


def test_a_network_continues_on_another_cut_of_the_same_shop() -> None:
    """Events are no part of the graph, so the parameters are the same."""
    snapshot = random_snapshot(0)
    early = select_events(snapshot, np.arange(len(snapshot.events)) < len(snapshot.events) // 2)
    vectors = {label: np.ones((table.num_rows, 4), dtype=np.float32) for label, table in snapshot.nodes.items()}
    before = train_network(build_graph(early, vectors), make_examples(early), model=SHAPE, config=CONFIG)

    later = train_network(
        build_graph(snapshot, vectors), make_examples(snapshot), model=SHAPE, config=CONFIG, start=before.weights
    )

    assert 3 == len(later.losses)
