"""What `dangol up` prints when it is ready: where things are, keys, and two lines to paste."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from dangol.commands import show
from dangol.commands.client import DEFAULT_URL

CONSENTING = {"name": "민지", "email": "minji@example.test", "phone": "010-1234-5678", "marketing_agreed": True}
SILENT = {"name": "준", "email": "jun@example.test"}


@dataclass(frozen=True)
class Banner:
    """Everything that is said once."""

    address: str
    keys: Mapping[str, str]
    directory: Path
    data: Path
    started_at: float

    async def show(self) -> None:
        """Print it."""
        show.out.print(self.text())

    def text(self) -> str:
        """The whole of it."""
        me = os.environ.get("DANGOL_COMMAND", "dangol")
        rows = (
            ("API", self.address),
            ("inbox", f"{self.address}/inbox    every message, as its channel would show it"),
            ("definitions", str(self.directory)),
            ("data", f"{self.data}    (keys in {self.data}/keys)"),
            ("write key", self.keys["DANGOL_WRITE_KEY"]),
            ("browser key", self.keys["DANGOL_BROWSER_KEY"]),
        )
        lines = [
            f"dangol is ready ({monotonic() - self.started_at:.1f} s): all roles in one process, over one SQLite file.",
            "",
        ]
        lines += [f"  {name:<12} {value}" for name, value in rows]
        lines += [
            "",
            "A customer who agreed to be written to leaves a cart; paste:",
            "",
            self.curl("minji", CONSENTING),
        ]
        if self.address != DEFAULT_URL:
            lines += ["", "commands find this product by its address:", "", f"  export DANGOL_URL={self.address}"]
        lines += ["", "then move the clock to the reminder, look at the inbox, and ask why:", ""]
        lines += [f"  {me} forward --next", f"  {me} why minji"]
        lines += ["", "Another who never agreed; paste, forward and ask why again:", "", self.curl("jun", SILENT), ""]
        return "\n".join(lines)

    def curl(self, user: str, traits: Mapping[str, Any]) -> str:
        """One line that posts a cart of this person, and works when pasted."""
        cart = {"cart_id": f"{user}-1", "cart_value": 42000, "product_name": "무선 청소기"}
        event = {"userId": user, "event": "Product Added", "properties": cart, "context": {"traits": traits}}
        body = json.dumps(event, ensure_ascii=False)
        kind = "-H 'Content-Type: application/json'"
        return f"curl -u {self.keys['DANGOL_WRITE_KEY']}: {self.address}/v1/track {kind} -d '{body}'"
