"""What is posted: events as clients send them, with a slot for the request's number."""

from dangol_bench.load import SLOT

NUMBER = SLOT.decode()
PROPERTIES = (
    '"product_id":"SKU-20418","product_name":"Linen shirt, navy","category":"shirts","price":39000,'
    '"quantity":1,"list":"search results"'
)
CONTEXT = (
    '{"library":{"name":"bench","version":"1.0"},"page":{"url":"https://shop.example/p/20418",'
    '"title":"Linen shirt","referrer":"https://shop.example/search"},"locale":"ko-KR"}'
)


def viewed(number: str, prefix: str = "view") -> str:
    """One `Product Viewed`, about 450 bytes."""
    return (
        f'{{"type":"track","messageId":"{prefix}-{number}","userId":"p{number}","event":"Product Viewed",'
        f'"properties":{{{PROPERTIES}}},"context":{CONTEXT}}}'
    )


def single(prefix: str) -> str:
    """The body of one event a request."""
    return viewed(NUMBER, prefix)


def batch(prefix: str, events: int) -> str:
    """The body of so many events a request, each of another person."""
    return '{"batch":[' + ",".join(viewed(f"{NUMBER}{i:03d}", prefix) for i in range(events)) + "]}"


def signed_up(prefix: str) -> str:
    """A person enters: known by mail and name, agreed to marketing."""
    return (
        f'{{"type":"track","messageId":"{prefix}-{NUMBER}","userId":"p{NUMBER}","event":"Signed Up",'
        f'"properties":{{"plan":"free"}},"context":{{"traits":{{"email":"p{NUMBER}@bench.test",'
        '"name":"김단골","marketing_agreed":true}}}'
    )
