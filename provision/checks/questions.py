"""Ask a host many things in one command: build the shell script, and take its output apart."""

import re
import secrets as random_source
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question gave: exit code, and standard output with standard error among it."""

    rc: int
    text: str

    @property
    def ok(self) -> bool:
        """Tell whether the command ended with 0."""
        return self.rc == 0

    @property
    def last_line(self) -> str:
        """Give the last line that holds something: of an error, the one that says most."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self.rc}"


NO_ANSWER = Answer(-1, "no answer")


@dataclass(frozen=True, slots=True)
class Questions:
    """Shell commands by name; a random mark tells their outputs apart."""

    commands: Mapping[str, str]
    before: str = ""
    mark: str = field(default_factory=lambda: random_source.token_hex(8))

    def script(self) -> str:
        """Give one sh script that runs ``before`` and then each command, whatever the others did."""
        return "\n".join([self.before, *(self._ask(name, text) for name, text in self.commands.items())])

    def answers(self, output: str) -> dict[str, Answer]:
        """Give every question's Answer; one that is missing in ``output`` has NO_ANSWER."""
        pattern = rf"\n{self.mark} (\w+)\n(.*?)\n{self.mark} = (\d+)\n"
        found = {m[1]: Answer(int(m[3]), m[2]) for m in re.finditer(pattern, output, re.DOTALL)}
        return {name: found.get(name, NO_ANSWER) for name in self.commands}

    def _ask(self, name: str, command: str) -> str:
        return (
            f"printf '\\n%s\\n' '{self.mark} {name}'\n"
            f"(\n{command}\n) 2>&1 </dev/null\n"
            f"printf '\\n%s %s\\n' '{self.mark} =' $?"
        )
