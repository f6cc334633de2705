"""The route by which a shop adds products and changes them; what becomes of a row stands in `serving.products`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from kg.additions import check_products
from serving.api.admission import needs
from serving.api.ids import Id
from serving.api.problems import problem_body, problem_response, request_id_of
from serving.api.routes import as_json, problems_of, require_json
from serving.api.schemas import ProductsAnswer
from serving.api.services import services_of
from serving.api.values import Body, Number, Time, to_ms
from serving.products import MAX_PRODUCTS

router = APIRouter(prefix="/v1", tags=["catalogue"])
_TEXT, _LINE, _URL = 10_000, 1_000, 2_000
Path = Annotated[str, Field(min_length=1, max_length=_LINE)]
Value = Annotated[str, Field(max_length=_TEXT)] | bool | Number
"""A property that the shop has of its own."""


class ProductIn(Body):
    """What is new of a product; what is left out, or null, stays as it is."""

    product_id: Id = Field(examples=["p11"])
    title: Annotated[str, Field(min_length=1, max_length=_LINE)] | None = Field(None, examples=["Oolong tea"])
    description: Annotated[str, Field(max_length=_TEXT)] | None = Field(None, examples=["Rolled leaves, 100 g."])
    brand: Id | None = Field(None, description="Name; a brand that the shop does not have is added.", examples=["Acme"])
    brand_id: Id | None = Field(None, description="Id of the brand, where it has one.", examples=["acme"])
    categories: list[Path] = Field(
        [],
        max_length=20,
        description="Paths such as `Food > Tea`, or the id or the only name of a category.",
        examples=[["Tea"]],
    )
    price: Annotated[Number, Field(ge=0)] | None = Field(None, examples=[4.5])
    available: bool | None = Field(None, description="false: no longer recommended.", examples=[True])
    image_url: Annotated[str, Field(max_length=_URL)] | None = Field(None, examples=["https://shop.example/p11.jpg"])
    created_at: Time | None = Field(
        None, description="When it came into the shop; not given: a new product came now.", examples=["2026-01-31"]
    )
    properties: dict[str, Value] = Field(
        {}, max_length=50, description="Other properties, of those that the shop's products have.", examples=[{}]
    )

    def fields(self) -> dict[str, Any]:
        """Return what is said of the product, by name."""
        said = self.model_dump(exclude={"product_id", "properties", "created_at"}, exclude_none=True)
        if self.created_at is not None:
            said["created_at"] = to_ms(self.created_at)
        if not self.categories:
            said.pop("categories")
        return {**self.properties, **said}


class ProductsBody(Body):
    """Products to add or to change."""

    products: list[ProductIn] = Field(min_length=1, max_length=MAX_PRODUCTS)


@router.post(
    "/products",
    summary="Add products, or change them",
    response_model=ProductsAnswer,
    responses=problems_of(400, 408, 413, 415, 422, 503),
    dependencies=[needs("write"), Depends(require_json)],
)
def take_products(request: Request, body: ProductsBody) -> Response:
    """Take in what is new of products; what is accepted is on the disk, in the lists within seconds, then in the graph.

    A new product is found by search, among what is new and among products like it at once, and recommended on a
    reserved place; its text, brand and categories speak for it until the next retraining. Of a known product
    properties change at once, its brand and categories with the next retraining.
    """
    services = services_of(request)
    snapshot = services.current.get().bundle.snapshot
    said = [(product.product_id, product.fields()) for product in body.products]
    _, bad = check_products([{"product_id": key, **fields} for key, fields in said], snapshot)
    reasons = {row.index: row.reason for row in bad}
    good = [row for place, row in enumerate(said) if place not in reasons]
    known = {key for key, _ in good if snapshot.row("Product", key) is not None}
    taken = services.products.append(good, known=known)
    rejected = [{"index": row.index, "product_id": said[row.index][0], "reason": row.reason} for row in bad]
    if not good:
        detail = f"none of the {len(said)} products can be taken; the first: {bad[0].reason}"
        return problem_response(
            problem_body(422, detail, request_id=request_id_of(request), slug="products-rejected", rejected=rejected)
        )
    if services.applier is not None:
        services.applier.wake()
    return as_json(
        {
            "request_id": request_id_of(request),
            "accepted": taken.accepted,
            "unchanged": taken.unchanged,
            "rejected": rejected,
        }
    )
