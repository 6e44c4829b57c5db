"""The sample container: proof that this host works as a Docker host."""

import pytest

from provision.checks.container import EXIT_CODE, REFUSED, Life
from provision.checks.facts import Facts
from provision.checks.wording import judge_unrotated, wanted


def test_image_is_built_from_scratch(life: Life) -> None:
    """The engine builds the sample image FROM scratch without any network."""
    assert life["build"].ok, wanted("an image", life["build"].last_line)


def test_container_runs_to_its_end(built: Life) -> None:
    """The sample container runs to its end and prints what it should."""
    answer = built["prints"]
    assert answer.ok, wanted("exit code 0", answer.last_line)
    assert answer.text.strip() == built.token, wanted(built.token, answer.last_line)


def test_exit_code_comes_through(built: Life) -> None:
    """The exit code of the program is the exit code of `docker run`."""
    assert built["ends"].rc == EXIT_CODE, wanted(f"exit code {EXIT_CODE}", built["ends"].last_line)


def test_service_starts(built: Life) -> None:
    """The sample container starts as a service with a published port."""
    assert built["serves"].ok, wanted("a running service", built["serves"].last_line)


def test_log_of_the_container_is_rotated(served: Life, facts: Facts) -> None:
    """The log of the running container is one that cannot fill the disk."""
    assert served["look"].ok, wanted("the service in `docker inspect`", served["look"].last_line)
    kind, options = served.log_config["Type"], served.log_config["Config"]
    if kind == "json-file" and "max-size" not in options:
        judge_unrotated(facts, "the container's log is", "it can fill the disk")


def test_port_answers_on_the_host(served: Life) -> None:
    """The published port answers on the host itself."""
    assert served["here"].ok, wanted("an answer on the published port", "none in 30 s")


def test_port_answers_from_the_controller(served: Life) -> None:
    """The published port answers from the controller."""
    reached = served.reached
    if reached.apart:
        pytest.skip(reached.apart)
    if reached.is_lost:
        _skip_unless_packets_arrived(served)
    assert served.token in reached.answer, wanted("the container's answer", reached.error or reached.answer)


def _skip_unless_packets_arrived(served: Life) -> None:
    # The host's own request may be counted too. Only later packets are the controller's.
    before, after = served["arrived_before"], served["arrived_after"]
    if not (before.ok and after.ok):
        pytest.skip(f"no answer, and the host cannot say whether the packets arrive: {served.reached.error}")
    if int(after.text) <= int(before.text):
        pytest.skip(f"the packets do not reach the host, a firewall lies between: {served.reached.error}")


def test_process_is_started_again(served: Life) -> None:
    """The restart policy starts the container again when its process dies."""
    assert served["killed"].ok, wanted("one restart and an answer in 30 s", "none")


def test_container_runs_after_the_engine_restarts(served: Life) -> None:
    """After the engine restarts, the container runs and answers again."""
    if served.no_restart:
        pytest.skip(served.no_restart)
    if served["restart_engine"].rc == REFUSED:
        pytest.skip(served["restart_engine"].last_line)
    assert served["restart_engine"].ok, wanted("the engine back", served["restart_engine"].last_line)
    assert served["here_again"].ok, wanted("an answer on the published port", "none in 30 s")


def test_nothing_is_left(life: Life) -> None:
    """After the checks nothing of the sample is left on the host."""
    assert life["clean"].ok, wanted("a list of what is left", life["clean"].last_line)
    found = life["clean"].text.split()
    assert not found, wanted("nothing left", found)
