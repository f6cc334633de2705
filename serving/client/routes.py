"""A function for each route: from what an application says to the question that is sent.

What may be left out stands in `serving.client.wishes`, route by route; docs/api.md says what it does. Both clients have
each function as a method, which asks and returns the answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack
from uuid import uuid4

from serving.client import answers, care, care_wishes, wishes
from serving.client.call import PATIENCE_OF_GRAPH_S, Call, delete, get, post, put


def recommend(user_id: str, **options: Unpack[wishes.RecommendToUserOptions]) -> Call[answers.RecommendAnswer]:
    """The best products for a user; `explain="paths"` says why."""
    return get("/v1/recommend/{user_id}", answers.RecommendAnswer, options, user_id=user_id)


def recommend_session(**options: Unpack[wishes.RecommendToSessionOptions]) -> Call[answers.RecommendAnswer]:
    """The best products for a session (`session_id` or `events`), for a user (`user_id`), or for both together."""
    return post("/v1/recommend", answers.RecommendAnswer, options)


def rank(product_ids: Sequence[str], **options: Unpack[wishes.RankProductsOptions]) -> Call[answers.RankAnswer]:
    """Up to 1,000 products of yours, in the order in which a user (`user_id`) or a session likes them."""
    return post("/v1/rank", answers.RankAnswer, {"product_ids": product_ids, **options})


def similar(product_id: str, **options: Unpack[wishes.SimilarProductsOptions]) -> Call[answers.RecommendAnswer]:
    """Products like one product: what one may take instead."""
    return get("/v1/similar/{product_id}", answers.RecommendAnswer, options, product_id=product_id)


def explain(user: str, product: str, **options: Unpack[wishes.ExplainProductOptions]) -> Call[answers.ExplainAnswer]:
    """Why a product is, or is not, recommended to a user; `what_if=True` says what would turn that over."""
    return get("/v1/explain", answers.ExplainAnswer, {"user": user, "product": product, **options})


def explain_session(
    product_id: str, **options: Unpack[wishes.ExplainProductToSessionOptions]
) -> Call[answers.ExplainAnswer]:
    """The same for a session (`session_id` or `events`), for a user (`user_id`), or for both together."""
    return post("/v1/explain", answers.ExplainAnswer, {"product_id": product_id, **options})


def bought_together(product_id: str, **options: Unpack[wishes.TogetherWithOptions]) -> Call[answers.SurfaceAnswer]:
    """What customers had as well: what one may take in addition."""
    return get("/v1/bought-together/{product_id}", answers.SurfaceAnswer, options, product_id=product_id)


def bought_with_basket(
    product_ids: Sequence[str], **options: Unpack[wishes.TogetherWithBasketOptions]
) -> Call[answers.SurfaceAnswer]:
    """What customers had together with the products of a basket."""
    return post("/v1/bought-together", answers.SurfaceAnswer, {"product_ids": product_ids, **options})


def trending(**options: Unpack[wishes.InDemandOptions]) -> Call[answers.SurfaceAnswer]:
    """What is in demand now."""
    return get("/v1/trending", answers.SurfaceAnswer, options)


def new(**options: Unpack[wishes.NewProductsOptions]) -> Call[answers.SurfaceAnswer]:
    """What is new in the shop; with `user` those first that this user likes most."""
    return get("/v1/new", answers.SurfaceAnswer, options)


def search(q: str, **options: Unpack[wishes.FindProductsOptions]) -> Call[answers.SearchAnswer]:
    """What a customer searches for, with names, prices and typing errors understood."""
    return get("/v1/search", answers.SearchAnswer, {"q": q, **options})


def home(user_id: str, **options: Unpack[wishes.HomeOptions]) -> Call[answers.HomeAnswer]:
    """The rows of a first page."""
    return get("/v1/home/{user_id}", answers.HomeAnswer, options, user_id=user_id)


def home_session(**options: Unpack[wishes.HomeOfSessionOptions]) -> Call[answers.HomeAnswer]:
    """The same rows for a session (`session_id` or `events`), for a user (`user_id`), or for both together."""
    return post("/v1/home", answers.HomeAnswer, options)


def profile(user_id: str, **options: Unpack[wishes.ProfileOptions]) -> Call[answers.ProfileAnswer]:
    """What a user likes."""
    return get("/v1/profile/{user_id}", answers.ProfileAnswer, options, user_id=user_id)


def audiences(**options: Unpack[wishes.AudiencesOptions]) -> Call[answers.AudienceAnswer]:
    """Who would like a product, a brand or a category. Needs the scope `admin`."""
    return get("/v1/audiences", answers.AudienceAnswer, options)


def user_data(user_id: str) -> Call[care.UserDataAnswer]:
    """Everything that is held of a user. Needs the scope `admin`."""
    return get("/v1/users/{user_id}", care.UserDataAnswer, {}, user_id=user_id)


def delete_user(user_id: str) -> Call[care.UserDeletedAnswer]:
    """Delete a user everywhere; done again it changes nothing. Needs the scope `admin`."""
    return delete("/v1/users/{user_id}", care.UserDeletedAnswer, user_id=user_id)


def send_events(events: Iterable[wishes.Event]) -> Call[answers.EventsAnswer]:
    """Tell what users did, up to 1,000 events and 1 MiB at a time; one without an `event_id` is given one."""
    return post("/v1/events", answers.EventsAnswer, {"events": [with_id(event) for event in events]})


def log_in(session_id: str, user_id: str) -> Call[answers.LoginAnswer]:
    """Give what was done in a visitor's session (`Event(session_id=...)`) to the user who logged in."""
    body = {"user_id": user_id}
    return post("/v1/sessions/{session_id}/login", answers.LoginAnswer, body, session_id=session_id)


def send_impressions(impressions: Iterable[wishes.Impression]) -> Call[answers.ImpressionsAnswer]:
    """Tell what customers saw of lists, up to 1,000 at a time; a list that nothing is said of counts as shown whole."""
    return post("/v1/impressions", answers.ImpressionsAnswer, {"impressions": list(impressions)})


def send_products(products: Iterable[wishes.Product]) -> Call[answers.ProductsAnswer]:
    """Add products, or say what is new of known ones."""
    return post("/v1/products", answers.ProductsAnswer, {"products": list(products)})


def rules() -> Call[care.RulesAnswer]:
    """The business rules of the shop. Needs the scope `rules`, as the four that follow do."""
    return get("/v1/rules", care.RulesAnswer, {})


def rule(name: str) -> Call[care.RuleAnswer]:
    """One business rule; its `etag` is what `if_match` of the others takes."""
    return get("/v1/rules/{name}", care.RuleAnswer, {}, name=name)


def write_rule(name: str, action: str, **options: Unpack[care_wishes.WriteRuleOptions]) -> Call[care.RuleWrittenAnswer]:
    """Write a business rule in place of the one of its name; with `if_match` only if it has that `etag`."""
    if_match = options.pop("if_match", None)
    body = {"action": action, **options}
    return put("/v1/rules/{name}", care.RuleWrittenAnswer, body, if_match=if_match, name=name)


def preview_rule(name: str, **options: Unpack[care_wishes.PreviewRuleOptions]) -> Call[care.PreviewAnswer]:
    """What a business rule, as it is kept or as `rule` says, does to a list; nothing is written."""
    return post("/v1/rules/{name}/preview", care.PreviewAnswer, options, name=name)


def delete_rule(name: str, **options: Unpack[care_wishes.DeleteRuleOptions]) -> Call[care.RuleDeletedAnswer]:
    """Delete a business rule; with `if_match` only if it has that `etag`."""
    return delete("/v1/rules/{name}", care.RuleDeletedAnswer, if_match=options.get("if_match"), name=name)


def queries() -> Call[care.QueriesAnswer]:
    """The named queries of the graph. Needs the scope `cypher`, as the two that follow do."""
    return get("/v1/graph/queries", care.QueriesAnswer, {})


def query(name: str, params: Mapping[str, Any] | None = None) -> Call[care.RowsAnswer]:
    """The answer to a named query."""
    body = {"params": params}
    return post("/v1/graph/queries/{name}", care.RowsAnswer, body, name=name, patience_s=PATIENCE_OF_GRAPH_S)


def cypher(statement: str, **options: Unpack[care_wishes.AskCypherOptions]) -> Call[care.RowsAnswer]:
    """The answer to a statement of yours that only reads."""
    body = {"cypher": statement, **options}
    return post("/v1/graph/query", care.RowsAnswer, body, patience_s=PATIENCE_OF_GRAPH_S)


def recommendation(recommendation_id: str, **options: Unpack[care_wishes.LookUpOptions]) -> Call[care.RecordAnswer]:
    """A list that was answered before; `replay=True` computes it again."""
    route = "/v1/recommendations/{recommendation_id}"
    return get(route, care.RecordAnswer, options, recommendation_id=recommendation_id)


def uptake(**options: Unpack[care_wishes.TellUptakeOptions]) -> Call[care.UptakeAnswer]:
    """Click-through and conversion of lists, `by=["position"]` and the like. Needs the scope `admin`."""
    return get("/v1/uptake", care.UptakeAnswer, options)


def runs(**options: Unpack[care_wishes.ListRunsOptions]) -> Call[care.RunsAnswer]:
    """What the retraining did lately. Needs the scope `admin`, as the next does."""
    return get("/v1/runs", care.RunsAnswer, options)


def run(run_id: str) -> Call[care.RunAnswer]:
    """One run of the retraining with its settings."""
    return get("/v1/runs/{run_id}", care.RunAnswer, {}, run_id=run_id)


def live() -> Call[answers.Live]:
    """Whether the process answers; asked once."""
    return get("/health/live", answers.Live, {}, is_repeated=False)


def ready() -> Call[answers.Ready]:
    """Whether the process recommends; asked once, and `Unavailable` where it does not."""
    return get("/health/ready", answers.Ready, {}, is_repeated=False)


def metrics() -> Call[str]:
    """Metrics in the text format of Prometheus."""
    return get("/metrics", str, {})


def with_id(event: wishes.Event) -> wishes.Event:
    """Return an event that has an `event_id`, so that sending it again changes nothing."""
    return event if event.event_id is not None else replace(event, event_id=uuid4().hex)
