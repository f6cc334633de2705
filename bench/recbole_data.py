"""A data set inside the recbole wheel as an input folder of Whycart: films, ratings and Freebase facts.

Facts that Freebase states in both directions are one fact; entities with a single fact connect nothing and are left
out. Entities have no names. Every rating is a positive event; its value is left out so that it weighs nothing.
"""

import io
import zipfile
from pathlib import Path

import pandas as pd

INVERSE = {
    "film.actor.film": "film.film.actor",
    "film.cinematographer.film": "film.film.cinematography",
    "film.content_rating.film": "film.film.rating",
    "film.director.film": "film.film.directed_by",
    "film.film.prequel": "film.film.sequel",
    "film.film_genre.films_in_this_genre": "film.film.genre",
    "film.film_subject.films": "film.film.subjects",
    "film.producer.film": "film.film.produced_by",
    "film.production_company.films": "film.film.production_companies",
    "film.writer.film": "film.film.written_by",
}
"""Relations that say another one backwards, by that other one."""
NO_GENRE = "unknown"
"""What the data says where a film has no genre."""
_ENDS = {"P": "Product", "E": "Entity"}


def write_recbole_folder(wheel: Path, out: Path, *, name: str) -> str:
    """Write a data set of the recbole wheel as an input folder.

    Args:
        wheel: the file of the package, a zip archive.
        out: an existing folder.
        name: which of the data sets that the package carries.

    Returns:
        What there is to know about the folder.
    """
    with zipfile.ZipFile(wheel) as archive:
        parts = {part: _read(archive, name, part) for part in ("inter", "item", "kg", "link")}
    items, events = parts["item"], parts["inter"]
    product_table(items).to_csv(out / "products.csv", index=False)
    event_table(events).to_csv(out / "events.csv", index=False)
    relations = relation_table(parts["kg"], parts["link"])
    relations[["from_id", "relation", "to_id"]].to_csv(out / "relations.csv", index=False)
    entities = sorted(
        set(relations.loc[relations["source"] == "E", "from_id"])
        | set(relations.loc[relations["target"] == "E", "to_id"])
    )
    pd.DataFrame({"entity_id": entities}).to_csv(out / "entities.csv", index=False)
    (out / "whycart.toml").write_text(declaration(relations), encoding="utf-8")
    return (
        f"{name} from {wheel.name}: {events['user_id'].nunique():,} users, {len(items):,} products, "
        f"{len(relations):,} facts about {len(entities):,} entities.\n"
        "Every rating is a positive event. A fact said in both directions is one; entities with one are left out.\n"
    )


def product_table(items: pd.DataFrame) -> pd.DataFrame:
    """Return films with their year in the title and their genres as categories."""
    dated = items["release_year"].str.fullmatch(r"\d{4}")
    titles = items["movie_title"].where(~dated, items["movie_title"] + " (" + items["release_year"] + ")")
    genres = items["class"].str.split().str.join("|")
    return pd.DataFrame(
        {
            "product_id": items["item_id"],
            "title": titles,
            "release_year": items["release_year"].where(dated, ""),
            "categories": genres.where(genres != NO_GENRE, ""),
        }
    )


def event_table(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return one event a rating, at its time in seconds since 1970."""
    return pd.DataFrame(
        {
            "user_id": ratings["user_id"],
            "product_id": ratings["item_id"],
            "type": "rated",
            "at": ratings["timestamp"].astype(float).astype(int),
        }
    )


def relation_table(facts: pd.DataFrame, link: pd.DataFrame) -> pd.DataFrame:
    """Return each fact once, in one direction, between products and entities that have at least two facts.

    Returns:
        Columns from_id, relation (as declared, with the ends where they are not product to entity), to_id, and
        source and target, `P` or `E`; sorted.
    """
    back = facts["relation_id"].isin(INVERSE)
    rows = pd.DataFrame(
        {
            "from_id": facts["head_id"].where(~back, facts["tail_id"]),
            "relation": facts["relation_id"].map(INVERSE).fillna(facts["relation_id"]),
            "to_id": facts["tail_id"].where(~back, facts["head_id"]),
        }
    ).drop_duplicates()
    product = dict(zip(link["entity_id"], link["item_id"], strict=True))
    num_facts = pd.concat([rows["from_id"], rows["to_id"]]).value_counts()
    for column, kind in (("from_id", "source"), ("to_id", "target")):
        rows[kind] = rows[column].isin(product.keys()).map({True: "P", False: "E"})
    for column, kind in (("from_id", "source"), ("to_id", "target")):
        rows = rows[(rows[kind] == "P") | (rows[column].map(num_facts) >= 2)]
    rows = rows[rows["from_id"] != rows["to_id"]]
    ends = rows["source"] + rows["target"]
    rows["relation"] = rows["relation"].str.rpartition(".")[2].str.upper() + ("_" + ends).where(ends != "PE", "")
    for column in ("from_id", "to_id"):
        rows[column] = rows[column].map(product).fillna(rows[column])
    return rows.sort_values(["relation", "from_id", "to_id"]).reset_index(drop=True)


def declaration(relations: pd.DataFrame) -> str:
    """Return the `whycart.toml` that declares the kind Entity and these relations."""
    kinds = relations[["relation", "source", "target"]].drop_duplicates().itertuples(index=False)
    blocks = ['[graph.nodes.Entity]\nkey = "entity_id"\ntable = "entities"\n']
    blocks += [
        f'[graph.relations.{name}]\nfrom = "{_ENDS[source]}"\nto = "{_ENDS[target]}"\n'
        for name, source, target in kinds
    ]
    return "# Node kind and relations of this set; the entities have no names.\n" + "\n".join(blocks)


def _read(archive: zipfile.ZipFile, name: str, part: str) -> pd.DataFrame:
    data = archive.read(f"recbole/dataset_example/{name}/{name}.{part}").decode("utf-8")
    table = pd.read_csv(io.StringIO(data), sep="\t", dtype=str, keep_default_na=False, quoting=3)
    return table.rename(columns=lambda column: column.partition(":")[0])
