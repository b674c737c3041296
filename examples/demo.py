"""Ingests the example handbook and asks it some questions, with the `kura` command as anybody would use it.

Run by `make demo`. The data folder is `.demo/`; a second run finds it up to date.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KURA = [str(Path(sys.executable).with_name("kura")), "--config", str(HERE / "kura.toml")]

QUESTIONS = [
    "What is the maximum hotel price in Bergen for one night?",
    "What does the gateway error E-4012 mean?",
    "在宅勤務は週に何日までできますか。",
    "How do I apply for stock options?",
]
RESTRICTED = "What is the top of the pay range for a G4 engineer in Japan?"


def main() -> int:
    started = time.monotonic()
    print("Ingesting examples/handbook/ ...\n", flush=True)
    code = subprocess.run([*KURA, "ingest"], check=False).returncode
    if code:
        return code
    for said, flags, questions in (
        ("\nAsking as somebody in the company:", [], [*QUESTIONS, RESTRICTED]),
        (
            "\nThe last question again, asked by somebody in the group hr:",
            ["--as", "mori", "--group", "hr"],
            [RESTRICTED],
        ),
    ):
        print(said, flush=True)
        code = ask(flags, questions)
        if code:
            return code
    print(
        f"\nThat took {time.monotonic() - started:.0f} s, all of it on this machine. Next, try:\n\n"
        '    .venv/bin/kura --config examples/kura.toml ask "Your own question"\n'
        '    .venv/bin/kura --config examples/kura.toml search "expenses"\n'
        "    .venv/bin/kura ingest FOLDER        # your own documents\n"
        '    .venv/bin/kura ask "..."\n'
        "    make serve                          # HTTP on 127.0.0.1:8642, documentation at /docs\n"
    )
    return 0


def ask(flags: list[str], questions: list[str]) -> int:
    """Ask all questions of one process, and print each answer as it comes."""
    asking = subprocess.Popen(
        [*KURA, "ask", *flags, "--jsonl", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert asking.stdin is not None and asking.stdout is not None  # noqa: S101, PT018 - as asked for
    for number, question in enumerate(questions, 1):
        asking.stdin.write(json.dumps({"id": str(number), "question": question}) + "\n")
    asking.stdin.close()
    for line in asking.stdout:
        show(json.loads(line))
    return asking.wait()


def show(answer: dict[str, Any]) -> None:
    print(f"\nQ  {answer['question']}")
    first, *rest = answer["answer"].split("\n")
    print(f"A  {first}", *(f"   {line}" for line in rest), sep="\n")
    for citation in answer["citations"]:
        file = Path(citation["address"])
        where = file.relative_to(HERE.parent) if file.is_relative_to(HERE.parent) else file
        place = f"{where}, page {citation['page']}" if citation["page"] else f"{where}:{citation['line']}"
        path = (
            citation["heading"].removeprefix(citation["title"]).removeprefix(" › ")
        )  # a page's first heading is its title
        print(f"   [{citation['n']}] {' › '.join(part for part in (citation['title'], path) if part)}  ({place})")
    print(end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
