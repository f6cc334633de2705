"""Small files in the layouts that data sets and shops come in, written by hand from what their documents say."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kg.input_toml import write_input_toml
from kg.layouts import recognise
from kg.reader import read_folder
from kg.validate import ReadReport

Layout = Callable[[Path], list[Path]]


def read(folder: Path, layout: Layout) -> ReadReport:
    """Recognise files, write the whycart.toml, and read the folder by it."""
    guess = recognise(layout(folder))
    (folder / "whycart.toml").write_text(write_input_toml(guess), encoding="utf-8")
    return read_folder(folder)


def events_of(report: ReadReport) -> list[tuple[Any, ...]]:
    rows = report.tables.events.to_pylist()
    return sorted((row["user_id"], row["product_id"], row["type"], row["at"], row["value"]) for row in rows)


def products_of(report: ReadReport) -> dict[str, dict[str, Any]]:
    return {row["product_id"]: row for row in report.tables.nodes["Product"].to_pylist()}


def names_of(report: ReadReport, relation: str, label: str) -> set[tuple[str, str]]:
    key = report.tables.schema.nodes[label].key
    names = {row[key]: row["name"] for row in report.tables.nodes[label].to_pylist()}
    return {(row["from_id"], names[row["to_id"]]) for row in report.tables.edges[relation].to_pylist()}


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


def gorse_text(folder: Path) -> list[Path]:
    """Exports of an old version: labels are words, and not every time has a fraction."""
    users = "user_id,labels\r\nu1,a|b\r\n01,\r\n"
    items = (
        "item_id,is_hidden,categories,time_stamp,labels,description\r\n"
        '1,false,Food,2020-01-01 01:01:01.000000001 +0000 UTC,green|loose,"Tea, green"\r\n'
        '2,true,Food|Gifts,2021-01-01 09:01:01.25 +0800 CST,green,"A ""fine"" mug"\r\n'
        "3,false,,0001-01-01 00:00:00 +0000 UTC,,Spoon\r\n"
    )
    feedback = (
        "feedback_type,user_id,item_id,time_stamp\r\n"
        "click,u1,1,2022-03-01 08:00:00 +0000 UTC\r\n"
        "purchase,u1,2,2022-03-01 08:00:00.5 +0000 UTC\r\n"
        "read,01,4,2022-03-02 00:30:00 +0100 CET\r\n"
        "star,01,1,2022-03-02 00:00:00 +0000 UTC\r\n"
        "frown,01,2,2022-03-02 00:00:00 +0000 UTC\r\n"
    )
    return [
        _text(folder, "users.csv", users),
        _text(folder, "items.csv", items),
        _text(folder, "feedback.csv", feedback),
    ]


GORSE_USERS = [
    {"UserId": "u1", "Labels": {"gender": "f", "age": 31, "Email": "a@b.c", "likes": ["tea"]}, "Comment": "Ann"},
    {"UserId": "u2", "Labels": None, "Subscribe": None, "Comment": ""},
]
GORSE_ITEMS = [
    {
        "ItemId": "1",
        "IsHidden": False,
        "Categories": ["Food", "Gifts"],
        "Timestamp": "2020-01-01T01:01:01.000000001Z",
        "Labels": {
            "Name": "Green tea",
            "Brand": "Acme",
            "price": 4.5,
            "taste": ["mild", "fresh"],
            "vector": [0.1, 0.2],
        },
        "Comment": "Fine leaves",
    },
    {
        "ItemId": "2",
        "IsHidden": True,
        "Categories": None,
        "Timestamp": "0001-01-01T00:00:00Z",
        "Labels": {"Name": "Mug", "isOrganic": True, "taste": ["mild"]},
        "Comment": "",
    },
]
GORSE_FEEDBACK = [
    {"FeedbackType": "read", "UserId": "u1", "ItemId": "1", "Value": 2.5, "Timestamp": "2024-03-01T08:00:00Z"},
    {"FeedbackType": "like", "UserId": "u2", "ItemId": "1", "Value": 0, "Timestamp": "2024-03-01T09:00:00+01:00"},
    {"FeedbackType": "dislike", "UserId": "u2", "ItemId": "2", "Value": 0, "Timestamp": "2024-03-02T08:00:00.5Z"},
]


def gorse_lines(folder: Path) -> list[Path]:
    """Exports of a newer version."""
    return [
        _lines(folder, "users.jsonl", GORSE_USERS),
        _lines(folder, "items.jsonl", GORSE_ITEMS),
        _lines(folder, "feedback.jsonl", GORSE_FEEDBACK),
    ]


def gorse_api(folder: Path) -> list[Path]:
    """What the API answers with: pages one a line, one page over several lines, a list."""
    pages = [{"Cursor": "x", "Items": GORSE_ITEMS[:1]}, {"Cursor": "", "Items": GORSE_ITEMS[1:]}]
    return [
        _text(folder, "users.json", json.dumps({"Cursor": "", "Users": GORSE_USERS}, indent=1)),
        _lines(folder, "items.json", pages),
        _text(folder, "feedback.json", json.dumps(GORSE_FEEDBACK, indent=1)),
    ]


def gorse_database(folder: Path) -> list[Path]:
    """Tables of its database as text: lists and labels are JSON within cells."""
    items = (
        "item_id,is_hidden,categories,time_stamp,labels,comment\n"
        '1,0,"[""Food"",""Gifts""]",2020-01-01 01:01:01,"{""taste"":[""mild"",""fresh""],""colour"":""red""}",Tea\n'
        '2,1,null,2021-01-01 01:01:01,"{""taste"":[],""colour"":""blue""}",Mug\n'
    )
    feedback = (
        "feedback_type,user_id,item_id,time_stamp,comment\n"
        "click,u1,1,2022-03-01 08:00:00,\nclick,u2,1,2022-03-01 08:00:00,\n"
    )
    return [_text(folder, "items.csv", items), _text(folder, "feedback.csv", feedback)]


def personalize_shop(folder: Path) -> list[Path]:
    """Data sets of the domain of shops."""
    interactions = (
        "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP,EVENT_VALUE,IMPRESSION,RECOMMENDATION_ID,DEVICE\n"
        "u1,p1,View,1699123456,,p1|p2,,phone\nu1,p1,AddToCart,1699123789,,,r1,phone\n"
        "u1,p1,Purchase,1699124000,19.9,,,web\n007,p3,Checkout Started,1699124001,,,,web\n"
    )
    items = (
        "ITEM_ID,CREATION_TIMESTAMP,PRICE,CATEGORY_L1,CATEGORY_L2,CATEGORY_L3,PRODUCT_DESCRIPTION,BRAND,GENDER,"
        "AGE_GROUP\n"
        'p1,1609459200,19.9,Clothing,Shoes,Boots,"Warm, dry",Acme,unisex,adults\n'
        "p2,1609459201,5,Food,Tea,,Black tea,,,\n"
    )
    users = "USER_ID,GENDER,AGE,EMAIL\nu1,f,31,a@b.c\n007,m,,\n"
    return [
        _text(folder, "interactions.csv", interactions),
        _text(folder, "items.csv", items),
        _text(folder, "users.csv", users),
    ]


def personalize_own(folder: Path) -> list[Path]:
    """Data sets with a schema of one's own, in small letters as queries on a lake write them."""
    interactions = "user_id,item_id,timestamp,event_value\n1,10,881250949,4\n2,10,891717742,2.5\n"
    items = "item_id,creation_timestamp,title,genres,in_stock,year\n10,880000000,Heat,Crime|Drama,no,1995\n"
    users = "user_id,gender\n1,f\n2,m\n"
    return [
        _text(folder, "inter.csv", interactions),
        _text(folder, "movies.csv", items),
        _text(folder, "people.csv", users),
    ]


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
    "gorse text": ("Gorse", gorse_text),
    "gorse lines": ("Gorse", gorse_lines),
    "gorse api": ("Gorse", gorse_api),
    "gorse database": ("Gorse", gorse_database),
    "personalize shop": ("Amazon Personalize", personalize_shop),
    "personalize own": ("Amazon Personalize", personalize_own),
}
"""Name of the layout, and what writes files in it."""
