"""The quality values of headers such as Accept and Accept-Encoding (RFC 9110, section 12.4.2)."""


def read_qualities(header: str) -> dict[str, float]:
    """Read the names of such a header in their order, in lower case, each with its quality from 0 to 1."""
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        given = [each.partition("=")[2] for each in parameters if each.startswith("q=")]
        found.setdefault(name, _quality(given[0]) if given else 1.0)
    return found


def _quality(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
