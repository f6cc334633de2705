"""The words of the generated shop: what it sells, how its brands are called and what goes with what.

Data only; everything here is invented.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A category at the bottom of the tree, and what the products in it are like."""

    department: str
    group: str
    noun: str
    language: Language
    sizes: tuple[str, ...]
    price: float
    """A middling price; products lie between half and double."""

    @property
    def path(self) -> tuple[str, str, str]:
        """Names from the root."""
        return (self.department, self.group, self.noun)


_WEIGHTS = ("100 g", "250 g", "500 g", "1 kg")
_BOTTLES = ("250 ml", "500 ml", "750 ml")
_PACKS = ("2-pack", "4-pack", "12-pack")
_WEAR = ("S", "M", "L", "XL")
_LITRES = ("1 l", "2 l", "5 l")
_PEOPLE = ("1 person", "2 persons", "4 persons")
_POTS = ("0.4 l", "0.8 l", "1.2 l")
_BAGS = ("18 l", "24 l", "32 l")
_MODELS = ("model 1", "model 2", "model 3")
_POTS_ZH = ("150毫升", "250毫升", "350毫升")
_LENGTHS = ("20 cm", "24 cm", "28 cm")
_WEIGHTS_ZH = ("100克", "250克", "500克")
_BOTTLES_ZH = ("250毫升", "500毫升", "1升")
_PACKS_ZH = ("2件装", "6件装", "12件装")

_Sold = Mapping[str, Mapping[str, tuple[tuple[str, tuple[str, ...], float], ...]]]
_ENGLISH: _Sold = {
    "Kitchen": {
        "Cookware": (("Frying Pan", _LENGTHS, 35), ("Saucepan", _LITRES, 40), ("Casserole", _LITRES, 70)),
        "Tools": (("Chef's Knife", _LENGTHS, 45), ("Cutting Board", _LENGTHS, 20), ("Knife Sharpener", _PACKS, 18)),
        "Baking": (("Cake Tin", _LENGTHS, 15), ("Baking Mat", _PACKS, 12), ("Rolling Pin", _LENGTHS, 14)),
    },
    "Coffee and Tea": {
        "Coffee": (("Coffee Beans", _WEIGHTS, 14), ("Ground Coffee", _WEIGHTS, 10), ("Espresso Capsules", _PACKS, 9)),
        "Brewing": (("Coffee Grinder", _MODELS, 60), ("Pour-over Set", _POTS, 32), ("Paper Filters", _PACKS, 5)),
        "Tea": (("Black Tea", _WEIGHTS, 8), ("Herbal Infusion", _WEIGHTS, 7), ("Teapot", _POTS, 28)),
    },
    "Outdoors": {
        "Camping": (("Tent", _PEOPLE, 180), ("Sleeping Bag", _WEAR, 80), ("Camping Stove", _MODELS, 45)),
        "Hiking": (("Trail Shoes", _WEAR, 95), ("Hiking Socks", _WEAR, 16), ("Daypack", _BAGS, 65)),
        "Cycling": (("Bike Helmet", _WEAR, 55), ("Bike Light", _PACKS, 25), ("Chain Oil", _BOTTLES, 9)),
    },
    "Garden": {
        "Plants": (("Tomato Seeds", _PACKS, 4), ("Herb Seeds", _PACKS, 4), ("Flower Bulbs", _PACKS, 8)),
        "Soil": (("Potting Soil", _LITRES, 9), ("Plant Food", _BOTTLES, 8), ("Clay Pot", _LENGTHS, 12)),
        "Garden Tools": (("Hand Trowel", _LENGTHS, 11), ("Garden Gloves", _WEAR, 9), ("Watering Can", _LITRES, 19)),
    },
    "Bath and Body": {
        "Hair": (("Shampoo", _BOTTLES, 9), ("Conditioner", _BOTTLES, 9), ("Hair Oil", _BOTTLES, 13)),
        "Shaving": (("Safety Razor", _MODELS, 30), ("Razor Blades", _PACKS, 8), ("Shaving Soap", _WEIGHTS, 10)),
        "Skin": (("Face Cream", _BOTTLES, 22), ("Hand Balm", _WEIGHTS, 8), ("Sun Lotion", _BOTTLES, 15)),
    },
    "Pets": {
        "Dogs": (("Dog Food", _WEIGHTS, 12), ("Dog Leash", _WEAR, 18), ("Chew Toy", _PACKS, 9)),
        "Cats": (("Cat Food", _WEIGHTS, 11), ("Cat Litter", _LITRES, 10), ("Scratching Post", _LENGTHS, 35)),
        "Birds": (("Bird Seed", _WEIGHTS, 6), ("Bird Feeder", _LENGTHS, 17), ("Nest Box", _LENGTHS, 21)),
    },
    "Stationery": {
        "Writing": (("Fountain Pen", _MODELS, 38), ("Bottled Ink", _BOTTLES, 14), ("Mechanical Pencil", _PACKS, 11)),
        "Paper": (("Notebook", _PACKS, 12), ("Sketch Pad", _LENGTHS, 13), ("Greeting Cards", _PACKS, 9)),
        "Painting": (("Watercolour Set", _PACKS, 27), ("Paint Brushes", _PACKS, 15), ("Easel", _LENGTHS, 48)),
    },
}
_CHINESE: _Sold = {
    "茶叶": {
        "绿茶": (("龙井茶", _WEIGHTS_ZH, 26), ("碧螺春", _WEIGHTS_ZH, 24), ("毛尖茶", _WEIGHTS_ZH, 22)),
        "乌龙茶": (("铁观音", _WEIGHTS_ZH, 25), ("大红袍", _WEIGHTS_ZH, 33), ("凤凰单丛", _WEIGHTS_ZH, 30)),
        "茶具": (("紫砂壶", _POTS_ZH, 65), ("盖碗", _POTS_ZH, 22), ("茶盘", _PACKS_ZH, 40)),
    },
    "食品": {
        "调味": (("酱油", _BOTTLES_ZH, 6), ("香醋", _BOTTLES_ZH, 6), ("辣椒酱", _WEIGHTS_ZH, 5)),
        "主食": (("挂面", _WEIGHTS_ZH, 4), ("大米", _WEIGHTS_ZH, 7), ("水饺", _WEIGHTS_ZH, 9)),
        "零食": (("瓜子", _WEIGHTS_ZH, 4), ("坚果礼盒", _PACKS_ZH, 28), ("绿豆糕", _PACKS_ZH, 10)),
    },
    "文房": {
        "书法": (("毛笔", _PACKS_ZH, 18), ("墨汁", _BOTTLES_ZH, 8), ("宣纸", _PACKS_ZH, 12)),
        "国画": (("国画颜料", _PACKS_ZH, 16), ("调色盘", _PACKS_ZH, 9), ("画毡", _PACKS_ZH, 13)),
        "印章": (("印泥", _WEIGHTS_ZH, 20), ("印石", _PACKS_ZH, 15), ("刻刀", _PACKS_ZH, 14)),
    },
}


def _leaves(sold: _Sold, language: Language) -> tuple[Leaf, ...]:
    return tuple(
        Leaf(department, group, noun, language, sizes, price)
        for department, groups in sold.items()
        for group, nouns in groups.items()
        for noun, sizes, price in nouns
    )


LEAVES = _leaves(_ENGLISH, "en") + _leaves(_CHINESE, "zh")
"""Every category at the bottom of the tree."""

COMPLEMENTS = (
    ("Frying Pan", "Cutting Board"),
    ("Chef's Knife", "Knife Sharpener"),
    ("Cake Tin", "Baking Mat"),
    ("Coffee Beans", "Coffee Grinder"),
    ("Pour-over Set", "Paper Filters"),
    ("Black Tea", "Teapot"),
    ("Tent", "Sleeping Bag"),
    ("Trail Shoes", "Hiking Socks"),
    ("Bike Helmet", "Bike Light"),
    ("Tomato Seeds", "Potting Soil"),
    ("Flower Bulbs", "Plant Food"),
    ("Shampoo", "Conditioner"),
    ("Safety Razor", "Razor Blades"),
    ("Dog Food", "Chew Toy"),
    ("Cat Food", "Cat Litter"),
    ("Bird Seed", "Bird Feeder"),
    ("Fountain Pen", "Bottled Ink"),
    ("Watercolour Set", "Paint Brushes"),
    ("龙井茶", "盖碗"),
    ("铁观音", "紫砂壶"),
    ("水饺", "香醋"),
    ("挂面", "酱油"),
    ("毛笔", "墨汁"),
    ("印石", "刻刀"),
)
"""Pairs of nouns: who buys the first often buys the second some days later."""

ADJECTIVES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        *("Classic", "Everyday", "Compact", "Deluxe", "Organic", "Heritage", "Light", "Robust", "Original", "Fine"),
        *("Fresh", "Golden", "Quiet", "Nordic", "Rustic", "Urban", "Alpine", "Coastal", "Signature", "Simple"),
    ),
    "zh": (
        "经典",
        "精选",
        "特级",
        "古法",
        "清香",
        "家用",
        "礼品",
        "手工",
        "原味",
        "高山",
        "老字号",
        "便携",
        "尊享",
        "新品",
        "有机",
    ),
}
BRAND_STARTS: Mapping[Language, tuple[str, ...]] = {
    "en": (
        *("North", "Maple", "Iron", "Willow", "Amber", "Stone", "River", "Oak", "Silver", "Fox", "Harbour", "Clover"),
        *("Linden", "Raven", "Copper", "Hazel"),
    ),
    "zh": ("云", "青", "竹", "松", "山", "溪", "月", "和", "福", "雅", "清", "明"),
}
BRAND_ENDS: Mapping[Language, tuple[str, ...]] = {
    "en": ("well", "& Finch", "field", "craft", "works", "& Sons", "house", "line", "wood", "ridge"),
    "zh": ("溪堂", "泉记", "岚坊", "然居", "谷园", "和斋", "韵阁", "源号"),
}
QUALITIES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "Made to last and easy to care for.",
        "A favourite for gifts.",
        "Comes in a recyclable package.",
        "Chosen by people who use it every day.",
        "Small batch, checked by hand.",
    ),
    "zh": ("做工细致，经久耐用。", "送礼自用两相宜。", "环保包装，安心之选。", "小批量生产，逐件检验。"),
}
