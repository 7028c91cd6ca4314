"""Which task comes next, and what becomes of those that fail."""

from argparse import Namespace
from fractions import Fraction

import pytest

from real3d_core.series.schedule import Schedule
from real3d_core.series.tasks import LOST, Job, Result

GOOD = Result(frames=10)
BAD = Result(error="It cannot be read.")


def job(line, portrait="p"):
    return Job(line, f"{line}.mp4", Namespace(), f"k{line}", portrait, "m")


def schedule(*jobs, rendered=()):
    return Schedule(jobs, 2.0, lambda frames, rate: ((0, 40), (40, 80), (80, frames)), lambda one, start, stop: start in rendered)


def test_workers_keep_the_portrait_that_they_have_and_leave_others_theirs():
    jobs = [job(line, portrait) for line, portrait in enumerate("aabbaabb")]
    plan = schedule(*jobs)
    done = {0: "", 1: ""}
    for _ in range(4):
        for place in (0, 1):
            done[place] += plan.begin(place).job.portrait_key
            plan.end(place, GOOD)
    assert done == {0: "aaaa", 1: "bbbb"} and plan.finished and plan.begin(0) is None


def test_a_worker_without_work_of_its_own_takes_from_another():
    plan = schedule(*(job(line, "a") for line in range(2)), job(2, "b"))
    assert [plan.begin(place).job.line for place in (0, 1, 2)] == [0, 2, 1]


def test_a_long_film_is_rendered_in_parts_that_are_joined_when_all_are_there():
    long, short = job(1), job(2)
    plan = schedule(long, short)
    plan.begin(0)
    assert plan.end(0, Result(frames=100, whole=False))[2] == "in parts"
    tasks = [plan.begin(place) for place in range(4)]
    assert [(task.step, task.start, task.stop) for task in tasks[:3]] == [("part", 0, 40), ("part", 40, 80), ("part", 80, 100)]
    assert tasks[3].job is short
    for place in (2, 0):
        plan.end(place, GOOD)
        assert plan.begin(9) is None
    plan.end(1, GOOD)
    assert plan.films[long].share == 1 and not plan.films[long].done
    joins = plan.begin(1)
    assert (joins.step, joins.parts) == ("join", ((0, 40), (40, 80), (80, 100)))
    _, film, state = plan.end(1, Result(frames=100))
    assert state == "done" and film.done and film.frames == 100


@pytest.mark.parametrize(("rendered", "next_steps"), [((0, 80), ["part"]), ((0, 40, 80), ["join"])])
def test_parts_that_a_former_run_has_left_are_not_rendered_again(rendered, next_steps):
    plan = schedule(job(1), rendered=rendered)
    plan.begin(0)
    plan.end(0, Result(frames=100, whole=False))
    begun = [plan.begin(place) for place in range(3)]
    assert [task.step for task in begun if task] == next_steps


@pytest.mark.parametrize("failure", [BAD, LOST])
def test_what_fails_twice_is_set_aside_and_the_rest_goes_on(failure):
    bad, good = job(1), job(2)
    plan = schedule(bad, good)
    plan.begin(0)
    assert plan.end(0, failure)[2] == "failed"
    assert plan.begin(0).job is good
    plan.end(0, GOOD)
    assert plan.begin(0).job is bad
    _, film, state = plan.end(0, failure)
    assert state == "set aside" and film.error == failure.error and plan.finished and plan.films[good].done


def test_a_part_that_fails_twice_takes_the_others_of_its_film_along():
    plan = schedule(job(1))
    plan.begin(0)
    plan.end(0, Result(frames=100, whole=False))
    first, second = plan.begin(0), plan.begin(1)
    plan.end(0, BAD)
    assert [plan.begin(0).start, plan.begin(2).start] == [80, first.start]
    plan.end(2, BAD)
    for place, result in ((0, GOOD), (1, GOOD)):
        plan.end(place, result)
    assert plan.finished and not plan.films[second.job].done and plan.films[second.job].error


def test_parts_lost_with_different_workers_do_not_add_up():
    plan = schedule(job(1))
    plan.begin(0)
    plan.end(0, Result(frames=100, whole=False))
    for place in range(3):
        plan.begin(place)
    assert [plan.end(place, LOST)[2] for place in range(3)] == ["failed"] * 3
    for place in range(3):
        plan.begin(place)
        plan.end(place, GOOD)
    assert plan.begin(0).step == "join"


def test_rates_are_exact():
    rates = []
    plan = Schedule([job(1)], 2.0, lambda frames, rate: rates.append(rate) or ((0, frames),), lambda *part: True)
    plan.begin(0)
    plan.end(0, Result(frames=100, fps="30000/1001", whole=False))
    assert rates == [Fraction(30000, 1001)]
