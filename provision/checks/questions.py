"""Ask a host many questions in one command: build the shell script and parse its output."""

import re
import secrets as random_source
from collections.abc import Mapping
from dataclasses import dataclass, field

# The last line of each failed `docker run`: docker/cli, cli/cobra.go and cmd/docker/docker.go.
DOCKERS_HINT = re.compile(r"(See|Run) '.* --help'( for more information)?\.?$")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question: exit code, and standard output and error together."""

    rc: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the command exited with 0."""
        return self.rc == 0

    @property
    def last_line(self) -> str:
        """The last line that tells something: neither blank nor the client's hint at its own ``--help``."""
        lines = [line.strip() for line in self.text.splitlines()]
        telling = [line for line in lines if line and not DOCKERS_HINT.match(line)]
        return telling[-1] if telling else f"exit code {self.rc}"


NO_ANSWER = Answer(-1, "no answer")


@dataclass(frozen=True, slots=True)
class Questions:
    """Shell commands by name; a random mark separates their outputs."""

    commands: Mapping[str, str]
    before: str = ""
    mark: str = field(default_factory=lambda: random_source.token_hex(8))

    def script(self) -> str:
        """Return one sh script that runs ``before`` and then each command, regardless of the others."""
        lines = [self.before]
        for name, command in self.commands.items():
            lines += [
                f"printf '\\n%s\\n' '{self.mark} {name}'",
                f"(\n{command}\n) 2>&1 </dev/null",
                f"printf '\\n%s %s\\n' '{self.mark} =' $?",
            ]
        return "\n".join(lines)

    def answers(self, output: str) -> dict[str, Answer]:
        """Return every question's Answer; one that is missing in ``output`` has NO_ANSWER."""
        pattern = rf"\n{self.mark} (\w+)\n(.*?)\n{self.mark} = (\d+)\n"
        found = {m[1]: Answer(int(m[3]), m[2]) for m in re.finditer(pattern, output, re.DOTALL)}
        return {name: found.get(name, NO_ANSWER) for name in self.commands}
