"""The kernels of a model by the evidence they rest on: which kinds of paths can carry what they say."""

from kg.kernels import TEXT_KERNELS, USE_KERNELS, EntityKernel, HabitKernel, Kernel
from kg.paths import OTHERS
from serving.answer import Reason

NETWORK = "network"
"""Name of the kernel of the graph attention network."""


class Roles:
    """The kernels of a model by what they rest on; made once a bundle."""

    def __init__(self, kernels: tuple[Kernel, ...], relations: tuple[str, ...]) -> None:
        """Sort kernels by name and type.

        Args:
            kernels: of the model.
            relations: of products to other kinds of nodes than users and products, by name.
        """
        self.entities: dict[str, list[tuple[int, EntityKernel]]] = {relation: [] for relation in relations}
        self.links: dict[str, int] = {}
        self.use: list[int] = []
        self.network: int | None = None
        self.codes: tuple[Reason, ...] = tuple(_code(kernel) for kernel in kernels)
        """Reason code of each kernel."""
        for index, kernel in enumerate(kernels):
            if isinstance(kernel, EntityKernel):
                # Another user is never named, whatever relation a shop declares.
                if kernel.relation in self.entities:
                    self.entities[kernel.relation].append((index, kernel))
            elif kernel.name == NETWORK:
                self.network = index
            elif kernel.name in USE_KERNELS:
                self.use.append(index)
            elif kernel.name not in TEXT_KERNELS and not isinstance(kernel, HabitKernel):
                self.links[kernel.name] = index
        entities = {relation: [index for index, _ in members] for relation, members in self.entities.items()}
        links = {name: [index] for name, index in self.links.items()}
        self.kinds: dict[str, list[int]] = {**entities, **links, OTHERS: self.use}
        """Rows of the kernels by kind of evidence: a relation, the name of a kernel of links, or `others`."""


def _code(kernel: Kernel) -> Reason:
    if isinstance(kernel, HabitKernel):
        return Reason.BUY_AGAIN
    is_content = isinstance(kernel, EntityKernel) or kernel.name in TEXT_KERNELS
    return Reason.CONTENT if is_content else Reason.COLLABORATIVE
