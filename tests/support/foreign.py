"""Small files in the layouts that data sets and shops come in, written by hand from what their documents say."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Layout = Callable[[Path], list[Path]]


def _text(folder: Path, name: str, text: str, *, encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def _lines(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


def movielens_latest(folder: Path) -> list[Path]:
    ratings = (
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,3.5,964981247\n2,1,5.0,1445714835\n"
        "2,9,1.0,1445714999\n"
    )
    movies = 'movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n3,"Grumpier, Old Men (1995)",Comedy\n'
    return [_text(folder, "ratings.csv", ratings), _text(folder, "movies.csv", movies)]


def movielens_1m(folder: Path) -> list[Path]:
    ratings = "1::1::4::978300760\n1::3::3::978302109\n2::1::5::978298413\n"
    movies = "1::Toy Story (1995)::Animation|Children's\n3::Les Misérables (1995)::Drama\n"
    return [_text(folder, "ratings.dat", ratings), _text(folder, "movies.dat", movies, encoding="latin-1")]


def movielens_100k(folder: Path) -> list[Path]:
    flags = "|".join(["0"] * 19)
    items = f"1|Toy Story (1995)|01-Jan-1995||http://x|{flags}\n3|Café Noir (1995)|01-Jan-1995||http://y|{flags}\n"
    ratings = "1\t1\t4\t881250949\n1\t3\t3\t881250950\n2\t1\t5\t881250951\n"
    return [_text(folder, "u.data", ratings), _text(folder, "u.item", items, encoding="latin-1")]


def amazon_2018(folder: Path) -> list[Path]:
    reviews = [
        {"reviewerID": "A1", "asin": "B01", "overall": 5.0, "unixReviewTime": 1514764800, "reviewText": "Good."},
        {"reviewerID": "A1", "asin": "B02", "overall": 2.0, "unixReviewTime": 1514851200},
        {"reviewerID": "A2", "asin": "B09", "overall": 4.0, "unixReviewTime": 1514937600},
    ]
    meta = [
        {
            "asin": "B01",
            "title": "Shampoo",
            "brand": "Acme",
            "category": ["Beauty", "Hair Care", "Shampoo"],
            "price": "$1,012.99",
            "also_buy": ["B02", "B77"],
        },
        {"asin": "B02", "title": "Soap", "brand": "", "category": [], "price": "", "also_buy": []},
    ]
    return [_lines(folder, "reviews.json.gz", reviews), _lines(folder, "meta.json.gz", meta)]


def amazon_ratings(folder: Path) -> list[Path]:
    return [_text(folder, "ratings_Beauty.csv", "A39H,0205616461,5.0,1369699200\nA3JM,0558925278,3.0,1355443200\n")]


def amazon_2023(folder: Path) -> list[Path]:
    reviews = [
        {"user_id": "U1", "parent_asin": "B01", "asin": "B01x", "rating": 5.0, "timestamp": 1588687728923},
        {"user_id": "U2", "parent_asin": "B02", "asin": "B02x", "rating": 1.0, "timestamp": 1588687728999},
    ]
    meta = [{"parent_asin": "B01", "title": "Lamp", "store": "Acme", "price": 9.5, "categories": ["Home", "Light"]}]
    return [_lines(folder, "Home.jsonl", reviews), _lines(folder, "meta_Home.jsonl", meta)]


def retailrocket(folder: Path) -> list[Path]:
    events = (
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n"
        "1433224214164,992329,addtocart,248676,\n1433221999827,257597,transaction,355908,4000\n"
    )
    first = "timestamp,itemid,property,value\n1435460400000,355908,categoryid,1338\n1441508400000,248676,available,1\n"
    second = "timestamp,itemid,property,value\n1436065200000,355908,categoryid,1114\n1435460400000,1,categoryid,1338\n"
    tree = "categoryid,parentid\n1016,\n1338,1016\n1114,1016\n"
    return [
        _text(folder, "events.csv", events),
        _text(folder, "item_properties_part1.csv", first),
        _text(folder, "item_properties_part2.csv", second),
        _text(folder, "category_tree.csv", tree),
    ]


def instacart(folder: Path) -> list[Path]:
    orders = (
        "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order\n"
        "10,1,prior,1,2,08,\n11,1,prior,2,3,07,15.0\n12,2,prior,1,4,12,\n"
    )
    lines = "order_id,product_id,add_to_cart_order,reordered\n10,196,1,0\n11,196,1,1\n11,14084,2,0\n12,196,1,0\n"
    products = "product_id,product_name,aisle_id,department_id\n196,Soda,77,7\n14084,Almond Milk,91,16\n"
    return [
        _text(folder, "orders.csv", orders),
        _text(folder, "order_products__prior.csv", lines),
        _text(folder, "products.csv", products),
        _text(folder, "aisles.csv", "aisle_id,aisle\n77,soft drinks\n91,soy lactosefree\n"),
        _text(folder, "departments.csv", "department_id,department\n7,beverages\n16,dairy eggs\n"),
    ]


def shopify(folder: Path) -> list[Path]:
    products = (
        "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Variant SKU,Variant Price,Image Src,Status\n"
        'tea,Green Tea,"<p>Fine <b>leaves</b></p>",Acme,Food > Drinks > Tea,Tea,"a, b",T1,4.50,https://x/1.jpg,active\n'
        "tea,,,,,,,T2,5.50,https://x/2.jpg,\n"
        "mug,Plain Mug,,Bolt,,Mugs,,M1,8.00,,draft\n"
    )
    events = "customer_id,sku,event,at\nc1,tea,view,2024-01-01\nc2,mug,purchase,2024-01-02\n"
    return [_text(folder, "products_export.csv", products), _text(folder, "clicks.csv", events)]


def ga4(folder: Path) -> list[Path]:
    tea = {
        "item_id": "T1",
        "item_name": "Tea",
        "item_brand": "Acme",
        "item_category": "Food",
        "price": 4.5,
        "quantity": 2,
    }
    mug = {"item_id": "M1", "item_name": "Mug", "item_brand": "(not set)", "item_category": "Home", "price": 8.0}
    rows = [
        {"event_name": "page_view", "event_timestamp": 1704067200000000, "user_pseudo_id": "1.2", "items": []},
        {"event_name": "view_item", "event_timestamp": 1704067200123456, "user_pseudo_id": "1.2", "items": [tea]},
        {"event_name": "purchase", "event_timestamp": 1704067300000000, "user_pseudo_id": "3.4", "items": [tea, mug]},
        {"event_name": "select_item", "event_timestamp": 1704067400000000, "user_pseudo_id": "3.4", "items": [mug]},
    ]
    return [_lines(folder, "events.jsonl", rows)]


def unknown_shop(folder: Path) -> list[Path]:
    sales = (
        "InvoiceNo;StockCode;Description;Quantity;InvoiceDate;UnitPrice;CustomerID\n"
        "5363;85123A;WHITE LANTERN;6;01/12/2010 08:26;2,55;17850\n5364;71053;LAMP;6;13/12/2010 08:28;3,39;17850\n"
    )
    return [_text(folder, "online_retail.csv", sales)]


LAYOUTS: Mapping[str, tuple[str, Layout]] = {
    "movielens latest": ("MovieLens", movielens_latest),
    "movielens 1m": ("MovieLens", movielens_1m),
    "movielens 100k": ("MovieLens", movielens_100k),
    "amazon 2018": ("Amazon reviews", amazon_2018),
    "amazon ratings": ("Amazon reviews", amazon_ratings),
    "amazon 2023": ("Amazon reviews", amazon_2023),
    "retailrocket": ("RetailRocket", retailrocket),
    "instacart": ("Instacart", instacart),
    "ga4": ("GA4 events export", ga4),
}
"""Name of the layout, and what writes files in it."""
