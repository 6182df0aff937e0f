"""Digests as words: what a person reads aloud or compares between two screens. The list never changes order."""

WORDS = """
acorn album almond amber anchor apple apron arrow aspen attic award bacon badge bagel baker bamboo
banjo barn basil basket beach beak beetle bell bench berry bike bird biscuit bloom board boat bonnet
bonsai boot bottle bowl branch bread brick bridge brook brush bubble bucket butter button cabin
cable cactus camel canal candle canoe canvas carpet cashew castle cedar cello chair chalk cherry
chess chime cider cinema circle citrus clay cliff clock cloud clover coast cobalt coffee comet
compass copper coral cotton cradle crane crayon cricket crown daisy dawn desert diary dinner dolphin
donkey drum eagle easel echo elbow ember engine fairy falcon feast feather fern ferret ferry fiddle
field figure finch flame flute forest fossil fox fridge frost fudge galaxy garden garlic gecko
ginger glacier glove goblet granite grape gravel guitar hammer harbor hazel hedge heron hill honey
hornet igloo indigo island ivory jacket jasmine jelly jersey jigsaw jungle kayak kettle kite kitten
koala ladder lagoon lamp lantern lark lemon lentil lettuce lily linen lizard lobster locket lotus
magnet mango maple marble meadow melon meteor mill mint mirror mitten moss motor mural napkin nectar
needle nest nickel noodle nutmeg oak ocean olive onion opal orbit orchid otter oven owl oyster
paddle palm panda paper parrot pasta peach pebble pencil penguin pepper piano picket picnic pigeon
pillow pine planet plum pocket pond poppy prism puffin quail quartz quilt rabbit radish raisin raven
ribbon river robin rocket rose saddle salmon sandal satin sponge spruce squid statue sunset tablet
tulip turtle velvet violin walnut willow winter zebra zipper
""".split()  # noqa: SIM905  # 256 quoted words would be no easier to read
COUNT = 4


def words(digest: bytes) -> str:
    """Four words for the first four bytes and four hex digits for the next two: `lamp-orbit-cedar-maple-7f3a`.

    48 bits help the eye; they prove nothing. What is signed and checked is always the whole digest.
    """
    return "-".join([*(WORDS[byte] for byte in digest[:COUNT]), digest[COUNT : COUNT + 2].hex()])
