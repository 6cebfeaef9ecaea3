"""Numbers in sentences: nouns and verbs that agree with them."""


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("ty") else f"{number} {noun}s"


def agree(number: int, one: str, many: str) -> str:
    """Return the form of a verb that agrees with a number."""
    return one if number == 1 else many


def embedded_so_far(total: int, not_embedded: int) -> str:
    """Say how many of them searches find by meaning, after their number; empty if they find all."""
    return f", {total - not_embedded} embedded so far" if not_embedded else ""
