"""The graph attention network: the learned kernel `W[j, i] = <query_j, target_i>` of the additive score.

A node starts from its text, projected, a product also from the vectors of its words, plus a gated vector of its own
that is dropped at random in training, so that a cold product lives on text and graph. Attention layers pass messages
over the typed graph; the layers' mean is read out twice, as the vector of a product in a history and as the vector of a
candidate. A user is the weighted sum of the history and has no parameters. Training is `gnn.train`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from gnn.attention import RelationAttention, WordSum, word_product
from gnn.config import ModelConfig
from gnn.typed_graph import TypedGraph, flatten_graph


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What propagation gives: two vectors a product, each of length 1."""

    query: Float[Tensor, "product dim"]
    """Of a product as part of a history."""
    target: Float[Tensor, "product dim"]
    """Of a product as a candidate."""


class GraphAttentionNetwork(nn.Module):
    """Text and typed graph in, product embeddings out."""

    def __init__(self, data: HeteroData, config: ModelConfig) -> None:
        super().__init__()
        graph, self.places = flatten_graph(data)
        self.graph: TypedGraph = graph
        self.config = config
        x_dict: Mapping[str, Tensor] = data.x_dict
        self.text = torch.cat([x_dict[label] for label in self.places])
        self.project = nn.Linear(self.text.shape[1], config.dim)
        self.words = word_product(data)
        self.word = nn.Embedding(self.words.num_words, config.dim)
        self.kind = nn.Embedding(len(self.places), config.dim)
        self.own = nn.Embedding(graph.num_nodes, config.dim)
        self.own_target = nn.Embedding(len(x_dict["Product"]), config.dim)
        self.gate = nn.Parameter(torch.zeros(3))
        self.layers = nn.ModuleList(
            RelationAttention(config.dim, heads=config.heads, num_relations=graph.num_relations, gather=config.gather)
            for _ in range(config.layers)
        )
        self.as_query = nn.Linear(config.dim, config.dim)
        self.as_target = nn.Linear(config.dim, config.dim)
        self.bias = nn.Parameter(torch.zeros(len(x_dict["Product"])))
        self.log_temperature = nn.Parameter(torch.tensor(-2.3))
        self.log_decay = nn.Parameter(torch.tensor(1.1))
        self._start()

    def _start(self) -> None:
        for table in (self.kind, self.own, self.own_target, self.word):
            if table.weight.numel():
                nn.init.normal_(table.weight, std=0.02)
        for linear in (self.as_query, self.as_target):
            nn.init.eye_(linear.weight)
            nn.init.zeros_(linear.bias)

    def to_device(self, device: torch.device) -> "GraphAttentionNetwork":
        """Move parameters, text and graph; return the network itself."""
        self.text = self.text.to(device)
        self.graph = self.graph.to(device)
        self.words = self.words.to(device)
        return self.to(device)

    def propagate(self, generator: torch.Generator | None = None) -> Embeddings:
        """Return the embeddings of all products.

        Args:
            generator: draws which own vectors are hidden; None hides nothing (serving, measuring).
        """
        kind = torch.cat([self.kind.weight[row].expand(p.stop - p.start, -1) for row, p in enumerate(self._slices())])
        keep = self._keep(generator)
        x = self.project(self.text) + kind + self.gate[0].exp() * self.own.weight * keep
        x = self._with_words(x)
        layers = [x]
        for layer in self.layers:
            x = layer(x, self.graph)
            layers.append(x)
        readout = torch.stack(layers).mean(dim=0)[self.places["Product"]]
        own = self.gate[1].exp() * self.own_target.weight * keep[self.places["Product"]]
        return Embeddings(
            nn.functional.normalize(self.as_query(readout).float(), dim=1),
            nn.functional.normalize(self.as_target(readout).float() + own, dim=1),
        )

    def users(
        self,
        query: Float[Tensor, "product dim"],
        history: Int[Tensor, "user event"],
        rank: Float[Tensor, "user event"],
        present: Float[Tensor, "user event"],
    ) -> Float[Tensor, "user dim"]:
        """Return the vectors of users: the sum of their history, fading with the rank from the end, of length 1.

        Args:
            query: vectors of products in a history.
            history: product rows, padded with any row.
            rank: steps since each event.
            present: 1 for an event, 0 in the padding.
        """
        # An embedding look-up adds its gradient up in a fixed order; `query[history]` does not on several threads.
        fade = torch.exp(-rank / self.log_decay.exp()) * present
        return nn.functional.normalize(torch.einsum("ue,ued->ud", fade, nn.functional.embedding(history, query)), dim=1)

    def _with_words(self, x: Float[Tensor, "node dim"]) -> Float[Tensor, "node dim"]:
        if not self.words.num_words:
            return x
        place = self.places["Product"]
        said: Tensor = WordSum.apply(self.word.weight, self.words)
        return torch.cat([x[: place.start], x[place] + self.gate[2].exp() * said, x[place.stop :]])

    def _slices(self) -> list[slice]:
        return list(self.places.values())

    def _keep(self, generator: torch.Generator | None) -> Float[Tensor, "node one"]:
        size = (self.graph.num_nodes, 1)
        if generator is None or self.config.id_dropout == 0:
            return torch.ones(size, device=self.text.device)
        drawn = torch.rand(size, generator=generator, device=generator.device)
        return (drawn >= self.config.id_dropout).to(self.text.dtype)
