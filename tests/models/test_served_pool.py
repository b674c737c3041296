from __future__ import annotations

import pytest

from models.errors import EngineBusy, EngineFailed
from models.served_pool import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, STICKY_SLACK, Pool, Server


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> Pool:
    return Pool(["a", "b", "c"], clock)


def chosen(pool: Pool, conversation: str = "") -> Server:
    server = pool.choose(conversation)
    assert server is not None
    return server


def test_the_least_busy_server_is_chosen_and_idle_ones_take_turns(pool: Pool) -> None:
    turns = []
    for _ in range(6):
        server = chosen(pool)
        server.requests += 1
        turns.append(server.url)
    assert turns == ["a", "b", "c"] * 2

    pool.servers[0].under_way, pool.servers[1].under_way = 1, 2
    assert chosen(pool).url == "c"


def test_a_conversation_keeps_its_server_until_that_is_much_busier(pool: Pool) -> None:
    home = chosen(pool, "thread 7")
    home.under_way = STICKY_SLACK
    assert chosen(pool, "thread 7") is home
    home.under_way += 1
    assert chosen(pool, "thread 7") is not home


def test_conversations_spread_and_only_those_of_a_lost_server_move(pool: Pool) -> None:
    threads = [f"thread {number}" for number in range(300)]
    before = {thread: chosen(pool, thread) for thread in threads}
    lost = pool.servers[1]
    pool.failed(lost, "It is down.")
    after = {thread: chosen(pool, thread) for thread in threads}

    assert {server.url for server in before.values()} == {"a", "b", "c"}
    assert {thread for thread in threads if before[thread] is not after[thread]} == {
        thread for thread in threads if before[thread] is lost
    }
    pool.well(lost)
    assert {thread: chosen(pool, thread) for thread in threads} == before


def test_a_server_that_failed_gets_nothing_until_a_check_finds_it_well(pool: Pool, clock: Clock) -> None:
    server = pool.servers[0]
    pool.failed(server, "It is down.")
    clock.now += 1000

    assert pool.due() == [server]
    assert chosen(pool) is not server
    pool.well(server)
    assert chosen(pool) is server


def test_checks_come_after_a_wait_that_doubles_until_it_has_answered(pool: Pool, clock: Clock) -> None:
    server = pool.servers[0]
    waits = []
    for _ in range(10):
        pool.failed(server, "It is down.")
        waits.append(server.check_at - clock.now)
        assert pool.due() == []
        pool.well(server)
    assert waits[:3] == [FIRST_BACK_OFF_S, 2 * FIRST_BACK_OFF_S, 4 * FIRST_BACK_OFF_S]
    assert waits[-1] == LONGEST_BACK_OFF_S

    pool.answered(server)
    pool.failed(server, "It is down.")
    assert server.check_at - clock.now == FIRST_BACK_OFF_S


def test_a_busy_server_is_left_alone_for_as_long_as_it_asked(pool: Pool, clock: Clock) -> None:
    pool.busy(pool.servers[0], 3.0)
    assert {chosen(pool, str(number)).url for number in range(100)} == {"b", "c"}
    clock.now += 3.0
    assert chosen(pool).url == "a"


def test_servers_that_were_tried_are_not_chosen_again(pool: Pool) -> None:
    assert pool.choose(tried=pool.servers) is None
    assert pool.choose("thread", tried=pool.servers[:2]) is pool.servers[2]


def test_a_refusal_says_when_to_come_back_or_what_is_wrong(pool: Pool, clock: Clock) -> None:
    pool.failed(pool.servers[0], "A is down.")
    pool.busy(pool.servers[1], 9.0)
    pool.busy(pool.servers[2], 4.0)
    busy = pool.refusal()
    assert isinstance(busy, EngineBusy)
    assert busy.retry_after_s == 4.0

    for server, problem in zip(pool.servers, ["A is down.", "B is down.", "C is down."], strict=True):
        pool.failed(server, problem)
    assert isinstance(failed := pool.refusal(), EngineFailed)
    assert str(failed) == "A is down. B is down. C is down."

    last = EngineFailed("The last thing.")
    assert Pool(["a"]).refusal(last) is last
