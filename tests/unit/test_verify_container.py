"""The checks of the sample container, and the shell and the bytes that its life is made of."""

import functools
import io
import subprocess
import tarfile
from collections.abc import Callable

import pytest

from provision import sample
from provision.checks import container as body
from provision.checks import test_container as container
from provision.checks.container import Life
from provision.checks.questions import NO_ANSWER, Answer
from provision.checks.reach import Reach
from provision.checks.wording import Advice
from tests.unit.test_verify_checks import call, facts_of, no_skip

LOOK = 'log {"Type":"local","Config":{}}\nport 32768\naddress 0.0.0.0\npid 7\nrestarts 0\n'


def life(reached: Reach | None = None, no_restart: str = "", **other: Answer) -> Life:
    steps = {
        name: Answer(0, "")
        for name in ("build", "serves", "here", "killed", "restart_engine", "here_again", "clean")
    }
    steps |= {"arrived_before": Answer(0, "2\n"), "arrived_after": Answer(0, "2\n")}
    steps |= {"prints": Answer(0, "t0ken\n"), "ends": Answer(42, ""), "look": Answer(0, LOOK)}
    return Life("t0ken", steps | other, reached or Reach(answer="name t0ken\n"), no_restart)


def rotated(**other: str | Answer) -> Callable[[Life], None]:
    return functools.partial(container.test_log_of_the_container_is_rotated, facts=facts_of(**other))


UNROTATED = Answer(0, LOOK.replace("local", "json-file"))
LOST = Reach(error="203.0.113.1:32768 timed out", is_lost=True)
BAD = Answer(1, "an error\n")

RED_LIVES: list[tuple[Callable[[Life], None], Life, str]] = [
    (container.test_image_is_built_from_scratch, life(build=BAD), "want an image, is an error"),
    (container.test_container_runs_to_its_end, life(prints=BAD), "want exit code 0, is an error"),
    (container.test_container_runs_to_its_end, life(prints=Answer(0, "other\n")), "want t0ken, is other"),
    (container.test_exit_code_comes_through, life(ends=Answer(0, "")), "want exit code 42, is exit code 0"),
    (container.test_exit_code_comes_through, life(ends=BAD), "want exit code 42, is an error"),
    (container.test_service_starts, life(serves=BAD), "want a running service, is an error"),
    (
        rotated(daemon_json='{"log-opts": {"max-size": "10m"}}'),
        life(look=UNROTATED),
        "want log-opts max-size 10m (daemon.json), is json-file without a max-size",
    ),
    (rotated(), life(look=BAD), "is an error"),
    (container.test_port_answers_on_the_host, life(here=BAD), "want an answer on the published port"),
    (container.test_port_answers_from_the_controller, life(Reach(error="refused")), "is refused"),
    (container.test_port_answers_from_the_controller, life(Reach(answer="another page")), "is another page"),
    (
        container.test_port_answers_from_the_controller,
        life(LOST, arrived_after=Answer(0, "3\n")),
        "timed out",
    ),
    (container.test_process_is_started_again, life(killed=BAD), "want one restart"),
    (
        container.test_container_runs_after_the_engine_restarts,
        life(restart_engine=BAD),
        "want the engine back, is an error",
    ),
    (container.test_container_runs_after_the_engine_restarts, life(here_again=BAD), "want an answer"),
    (
        container.test_nothing_is_left,
        life(clean=Answer(0, "provision-check:t0ken\n")),
        "want nothing left, is provision-check:t0ken",
    ),
    (container.test_nothing_is_left, life(clean=NO_ANSWER), "want a list of what is left"),
]


@pytest.mark.parametrize(("check", "lived", "words"), RED_LIVES)
def test_a_container_that_goes_wrong_fails_the_check(
    check: Callable[[Life], None], lived: Life, words: str
) -> None:
    with no_skip(), pytest.raises(AssertionError) as failed:
        check(lived)
    assert words in str(failed.value)


def test_a_container_that_lives_well_fails_no_check() -> None:
    for name, check in vars(container).items():
        if name.startswith("test_"):
            with no_skip():
                call(check, facts_of(), served=life(), built=life(), life=life())


def test_a_log_that_nobody_wants_rotated_is_an_advice() -> None:
    with pytest.raises(Advice, match="not rotated; it can fill the disk"):
        rotated(daemon_json="{}")(life(look=UNROTATED))
    with pytest.raises(Advice, match=r"not rotated: daemon\.json says so"):
        rotated(daemon_json='{"log-driver": "json-file"}')(life(look=UNROTATED))


@pytest.mark.parametrize(
    ("check", "lived", "reason"),
    [
        (
            container.test_port_answers_from_the_controller,
            life(Reach(apart="through bastion")),
            "through bastion",
        ),
        (container.test_port_answers_from_the_controller, life(LOST), "a firewall"),
        (
            container.test_port_answers_from_the_controller,
            life(LOST, arrived_before=BAD),
            "cannot say whether",
        ),
        (
            container.test_port_answers_from_the_controller,
            life(LOST, arrived_after=BAD),
            "cannot say whether",
        ),
        (
            container.test_container_runs_after_the_engine_restarts,
            life(restart_engine=Answer(75, "a line\n2 other containers run\n"), here_again=BAD),
            "^2 other containers run$",
        ),
        (container.test_container_runs_after_the_engine_restarts, life(no_restart="a Swarm"), "a Swarm"),
    ],
)
def test_what_cannot_be_concluded_is_skipped_with_its_reason(
    check: Callable[[Life], None], lived: Life, reason: str
) -> None:
    with pytest.raises(pytest.skip.Exception, match=reason):
        check(lived)


def test_the_context_is_a_dockerfile_from_scratch_and_the_program() -> None:
    with tarfile.open(fileobj=io.BytesIO(body.context("aarch64"))) as tar:
        files = {entry.name: entry for entry in tar}
        dockerfile, program = (tar.extractfile(name) for name in ("Dockerfile", "sample"))
        assert dockerfile is not None
        assert program is not None
        assert dockerfile.read().startswith(b"FROM scratch\n")
        assert program.read() == sample.program("aarch64")
        assert files["sample"].mode == 0o755


def test_the_exit_code_that_is_wanted_is_the_one_that_is_asked_for() -> None:
    assert f"exit {body.EXIT_CODE}" in body.script("t0ken", ()).script()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_script_is_understood_by_any_shell(shell: str) -> None:
    script = body.script("t0ken", ("here_again", "clean"), before="prepare || exit 1").script()
    done = subprocess.run([shell, "-n", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_engine_says_about_the_service_is_read_line_by_line() -> None:
    assert body.look(Answer(0, LOOK))["port"] == "32768"
    assert body.look(Answer(1, "Error: No such object\n")).get("port", "") == ""
