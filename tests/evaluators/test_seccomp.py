"""The filter of system calls, run by a small interpreter of its instructions."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios

from hypothesis import given
from hypothesis import strategies as st

from graftwork.evaluators.seccomp import DENIED, Profile, bpf_program

ALLOW, KILL, EPERM, ENOENT, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050002, 0x00050026
X86_64, I386 = 0xC000003E, 0x40000003
PID = 4711
NUMBERS = sorted(number for numbers in DENIED.values() for number in numbers)
ASKING_ABOUT = {121: 0, 124: 0, 140: 1, 143: 0, 145: 0, 148: 0, 252: 1, 274: 0, 315: 0}
CLOCKS = (222, 228, 229, 230)
CHECKED = {56, 62, 234, 302, 72, 16, 157, 204, *ASKING_ABOUT, *CLOCKS}


def verdict(number: int, *arguments: int, machine: int = X86_64, profile: Profile = "program") -> int:
    """What the filter says to one system call."""
    return ran(number, *arguments, machine=machine, profile=profile)[0]


def ran(number: int, *arguments: int, machine: int = X86_64, profile: Profile = "program") -> tuple[int, int]:
    """What the filter says to one system call, and after how many instructions."""
    words = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, machine, 0, *words)
    code, places = bpf_program(profile)
    for place in places:
        struct.pack_into("=I", code, place, PID)
    program = list(struct.iter_unpack("=HBBI", code))
    accumulator = place = steps = 0
    while True:
        code, yes, no, operand = program[place]
        place, steps = place + 1, steps + 1
        if code == 0x06:
            return int(operand), steps
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}[code]
            place += yes if holds else no


@given(st.sampled_from(NUMBERS), st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_a_denied_call_is_refused_whatever_its_arguments(number: int, arguments: list[int]) -> None:
    assert verdict(number, *arguments) == EPERM


@given(st.integers(0, 334).filter(lambda number: number not in {*NUMBERS, *CHECKED}), st.integers(0, 2**64 - 1))
def test_other_old_calls_are_allowed(number: int, argument: int) -> None:
    assert verdict(number, argument) == ALLOW


@given(st.integers(457, 0x3FFFFFFF))
def test_calls_newer_than_the_table_do_not_exist(number: int) -> None:
    assert verdict(number) == ENOSYS


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from([I386, 0xC00000B7]))
def test_another_machines_calls_kill(number: int, machine: int) -> None:
    assert verdict(number, machine=machine) == KILL


@given(st.integers(0x40000000, 0xFFFFFFFF))
def test_the_x32_calls_kill(number: int) -> None:
    assert verdict(number) == KILL


@given(st.integers(0, 2**64 - 1))
def test_clone_makes_threads_only(flags: int) -> None:
    assert verdict(56, flags) == (ALLOW if flags & 0x10000 else EPERM)
    assert verdict(435, flags) == ENOSYS


@given(st.integers(0, 2**32 - 1))
def test_signals_reach_the_process_itself_only(pid: int) -> None:
    expected = ALLOW if pid == PID else EPERM
    assert (verdict(62, pid), verdict(234, pid)) == (expected, expected)
    assert verdict(62, PID) == ALLOW


def test_options_that_would_reach_another_process_are_refused() -> None:
    assert [verdict(72, 3, command) for command in (8, 10, 15)] == [EPERM] * 3
    assert [verdict(72, 3, command) for command in (0, 1, 2, 3, 4, 1030, 1032)] == [ALLOW] * 7
    assert (verdict(157, 1), verdict(157, 15)) == (EPERM, ALLOW)
    assert (verdict(302, 0), verdict(302, PID), verdict(302, 1)) == (ALLOW, ALLOW, EPERM)


@given(st.integers(0, 2**32 - 1) | st.integers(0x8900, 0x89FF))
def test_ioctl_asks_only_what_python_asks_of_a_file(request: int) -> None:
    allowed = {termios.TCGETS, 0x802C542A, termios.TIOCGWINSZ, termios.FIONREAD, termios.FIONBIO, termios.FIOCLEX, termios.FIONCLEX}
    assert verdict(16, 3, request) == (ALLOW if request in allowed else EPERM)
    assert {verdict(16, 3, request) for request in allowed} == {ALLOW}


def test_locks_that_others_see_and_memory_and_space_beyond_the_limits_are_refused() -> None:
    commands = (fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_OFD_GETLK, fcntl.F_OFD_SETLK, fcntl.F_OFD_SETLKW)
    assert {verdict(72, 3, command) for command in (*commands, fcntl.F_SETLEASE, fcntl.F_NOTIFY, fcntl.F_SETPIPE_SZ)} == {EPERM}
    assert {verdict(number) for number in (73, 278, 285)} == {EPERM}


@given(st.sampled_from(sorted(ASKING_ABOUT)), st.integers(0, 2**32 - 1))
def test_a_program_learns_nothing_of_other_processes(number: int, pid: int) -> None:
    named = [0, 0, 0]
    named[ASKING_ABOUT[number]] = pid
    assert verdict(number, *named) == (ALLOW if pid in {0, PID} else EPERM)
    assert verdict(204, pid) == (ALLOW if pid in {0, PID} else ENOSYS)


@given(st.sampled_from(CLOCKS), st.integers(-(2**31), 2**31 - 1))
def test_the_clocks_of_processes_are_not_read(number: int, clock: int) -> None:
    assert verdict(number, clock % 2**64) == (ALLOW if clock >= 0 else EPERM)


def test_a_client_sends_and_receives_nothing_out_of_band() -> None:
    for number, place in ((44, 3), (45, 3), (47, 2)):
        flags = [0, 0, 0, 0]
        assert verdict(number, *flags, profile="client") == ALLOW
        flags[place] = socket.MSG_OOB | socket.MSG_DONTWAIT
        assert verdict(number, *flags, profile="client") == EPERM


@given(st.integers(0, 2**32 - 1) | st.integers(0x8900, 0x89FF) | st.sampled_from([0x5412, 0x5452, 0x40049409, 0xC0184600]))
def test_a_driver_may_ask_its_device_and_still_reaches_nobody(request: int) -> None:
    allowed = {0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451, 0x30000001, 0x30000002}
    asks_a_device = request in allowed or request < 0x1000 or request >= 0xC0000000
    assert verdict(16, 3, request, profile="driver") == (ALLOW if asks_a_device else EPERM)


def test_a_driver_has_a_local_socket_that_nothing_comes_through() -> None:
    packets = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC
    assert verdict(41, socket.AF_UNIX, packets, profile="driver") == ALLOW
    others = [(socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_INET, packets), (socket.AF_NETLINK, packets), (socket.AF_UNIX, 5)]
    assert {verdict(41, *other, profile="driver") for other in others} == {EPERM}
    assert [verdict(number, profile="driver") for number in (42, 49, 50)] == [ENOENT, ALLOW, ALLOW]  # connect, bind, listen
    assert {verdict(number, profile="driver") for number in (43, 44, 45, 46, 47, 53, 288, 299, 307)} == {EPERM}


def test_a_driver_may_else_do_what_a_program_may() -> None:
    own = {16, 41, 42, 49, 50}
    calls = [(number, argument) for number in range(460) if number not in own for argument in (0, PID, 0x10000, 0x80000000)]
    assert [verdict(*call, profile="driver") for call in calls] == [verdict(*call) for call in calls]


def test_a_client_may_use_sockets_that_it_is_handed_and_no_more() -> None:
    used = {44, 45, 47, 48, 51, 52, 55}
    assert {verdict(number, profile="client") for number in used} == {ALLOW}
    assert {verdict(number, profile="client") for number in set(NUMBERS) - used} == {EPERM}


def test_a_plain_call_is_decided_in_few_steps_for_every_child_pays_them_for_all_numbers() -> None:
    assert max(ran(number)[1] for number in range(460) if number not in CHECKED) <= 12
