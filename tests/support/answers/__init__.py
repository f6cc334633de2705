"""What every query of the catalogue must answer, worked out from the tables with pandas and networkx alone."""

from collections.abc import Mapping

from tests.support.answers import baskets, brands, categories, demand, graph, paths, products, users
from tests.support.answers.frames import Answer, Frames, Rows

ANSWERS: Mapping[str, Answer] = {
    **users.ANSWERS,
    **products.ANSWERS,
    **brands.ANSWERS,
    **categories.ANSWERS,
    **baskets.ANSWERS,
    **demand.ANSWERS,
    **graph.ANSWERS,
    **paths.ANSWERS,
}
"""By name of the query: a function from the tables and the parameters to all rows in order, whatever the limit."""

__all__ = ["ANSWERS", "Answer", "Frames", "Rows"]
