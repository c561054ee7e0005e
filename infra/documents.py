"""Parts of the documents that are made from the code, each between two markers."""


def put(document: str, name: str, text: str) -> str:
    """`document` with `text` between the markers of `name`. Raises ValueError where they are
    missing."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"no {begin} … {end} in the document")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
