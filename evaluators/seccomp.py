"""The system calls that a program may make, as a BPF program for seccomp. Standard library only: the template imports it.

Four profiles: `program` is one process that makes no other; `client` may besides use sockets that it is handed; `driver` may besides ask
a GPU's driver what it likes; `tree` may fork,
execute, signal its own and use socket pairs, for evaluators that were written for elsewhere. A deny list for the calls that the kernel
has had for long, an allow list for those it gained since (number 424 on), so that a kernel newer than this file opens nothing. Numbers
are those of x86_64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from typing import Final, Literal

__all__ = ["DENIED", "Profile", "bpf_program", "is_supported_machine"]

Profile = Literal["program", "client", "tree", "driver"]

_AUDIT_ARCH_X86_64: Final = 0xC000003E
_X32_BIT: Final = 0x40000000
_FIRST_NEW_CALL: Final = 424

# Denied whatever their arguments: EPERM, which Python raises as PermissionError.
DENIED: Final[dict[str, tuple[int, ...]]] = {
    "sockets": (*range(41, 56), 288, 299, 307),  # the child's own socket is used with read and write
    "processes": (57, 58, 59, 322),  # fork, vfork, execve, execveat
    "signals": (129, 200, 297),  # rt_sigqueueinfo, tkill, rt_tgsigqueueinfo
    "other processes": (101, 310, 311, 312),  # ptrace, process_vm_readv and writev, kcmp
    "shared memory and queues": (29, 30, 31, 64, 65, 66, 67, 68, 69, 70, 71, 220, *range(240, 246), 319),
    # Landlock does not restrict these, and a file's owner needs no capability for them.
    "modes, owners, times, attributes": (90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280),
    "devices and handles": (133, 259, 303, 304),  # mknod, mknodat, name_to_handle_at, open_by_handle_at
    # vmsplice pins pages; fallocate can take blocks beyond a file's end; splice and tee write without its being counted.
    "space and memory beyond the limits": (275, 276, 278, 285),
    "asynchronous files": (*range(206, 211), 333),  # the whole machine has one number of them
    "locks that others see": (73,),  # flock: what a program may read, others read too
    "watching files": (253, 254, 255, 294, 300, 301),  # inotify, fanotify
    "scheduling of others": (141, 142, 144, 203, 251, 256, 279, 314),
    "mounts and namespaces": (155, 161, 165, 166, 272, 308),
    "the kernel": (103, 134, 135, 136, 139, 153, 154, 156, 159, 162, 163, 164, *range(167, 186), 212, 227, 246, 305, 306, 313, 320),
    "keys, tracing, faults": (248, 249, 250, 298, 317, 321, 323),
}
# For what these ask of a process, by the argument that names it: whether it is there, when it runs, what may be learned of its threads.
_ASKING_ABOUT: Final = ((121, 0), (124, 0), (140, 1), (143, 0), (145, 0), (148, 0), (252, 1), (274, 0), (315, 0))
_AFFINITY: Final = 204  # likewise; ENOSYS is what the C library takes for no answer when it asks it of a thread
# timer_create, clock_gettime, clock_getres, clock_nanosleep: clocks of negative number are other processes' CPU time.
_CLOCKS: Final = (222, 228, 229, 230)
_FIRST_NEGATIVE: Final = 0x80000000
# What a tree may: pass on what it has between its own processes, make processes, and signal those that Landlock lets it reach.
_FOR_TREES: Final = frozenset((44, 45, 46, 47, 48, 51, 52, 54, 55, 57, 58, 59, 62, 129, 200, 234, 297))
# Modes, owners and times are not changed, yet no error is given: copying files sets them, and nothing depends on it.
_PRETENDED: Final = frozenset((90, 91, 92, 93, 94, 132, 235, 260, 261, 268, 280))
# Calls from number 424 on that Python and its libraries use; every other one says ENOSYS.
_ALLOWED_NEW_CALLS: Final = (436, 437, 439, 441, 449, 454, 455, 456)  # close_range, openat2, faccessat2, epoll_pwait2, futexes

# What talking over a socket takes that was handed in, and being handed it; making, binding and connecting one is not among it.
_FOR_CLIENTS: Final = frozenset((44, 45, 47, 48, 51, 52, 55))
_FLAGS_OF_CLIENTS: Final = ((44, 3), (45, 3), (47, 2))  # sendto, recvfrom, recvmsg: which argument holds the flags
_OUT_OF_BAND: Final = 1  # MSG_OOB: no client of HTTP uses it, and the kernel's part of it for local sockets had holes
_STREAMS: Final = (1, 0o4001, 0o2000001, 0o2004001)  # SOCK_STREAM, also with SOCK_NONBLOCK and SOCK_CLOEXEC
# CUDA makes a local socket for other processes to come to, under a name in scratch, and gives up where it cannot. Nobody comes there,
# and it comes to nobody: connecting says that there is no such socket, and what sends and receives is denied.
_SOCKET: Final = 41
_CONNECT: Final = 42
_FOR_DRIVERS: Final = frozenset((_SOCKET, _CONNECT, 49, 50))  # and bind, listen
_PACKETS: Final = (0o2000005,)  # SOCK_SEQPACKET with SOCK_CLOEXEC
_MORE_ALLOWED: Final = {"program": frozenset[int](), "client": _FOR_CLIENTS, "driver": _FOR_DRIVERS, "tree": _FOR_TREES | _PRETENDED}

_CLONE: Final = 56
_CLONE_THREAD: Final = 0x00010000
_CLONE_NEW_OR_BESIDE: Final = (0x7E028000,)  # every CLONE_NEW…, and CLONE_PARENT
_SOCKETPAIR: Final = 53
_AF_UNIX: Final = 1
_KILL: Final = (62, 234)  # kill, tgkill: first argument is a process
_PRLIMIT64: Final = 302
# fcntl: what locks files that others see (F_GETLK, F_SETLK, F_SETLKW, F_OFD_*, F_SETLEASE, F_NOTIFY), has the kernel signal another
# process (F_SETOWN, F_SETSIG, F_SETOWN_EX), or makes a pipe larger than the limit on memory knows (F_SETPIPE_SZ).
_FCNTL: Final = 72
_DENIED_FCNTL: Final = (5, 6, 7, 8, 10, 15, 36, 37, 38, 1024, 1026, 1031)
# ioctl: all that Python asks of a file (TCGETS, old and new, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX). Other requests tell of
# the network, have the kernel signal others, or change files.
_IOCTL: Final = 16
_ALLOWED_IOCTL: Final = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# What NVIDIA's drivers are asked: requests that are numbered from 1 (unified memory), two of its own, and those that go both ways; those
# that reach others, or change files, are among none of these.
_FIRST_DRIVER_IOCTL: Final = 0xC0000000
_MORE_DRIVER_IOCTL: Final = (0x30000001, 0x30000002)
_NO_DRIVER_IOCTL: Final = 0x1000
_PRCTL: Final = 157
_DENIED_PRCTL: Final = (1, 4)  # PR_SET_PDEATHSIG, to outlive the template; PR_SET_DUMPABLE, to hide what it writes from it

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000

_THE_PROCESS: Final = -1  # as an operand: the number of the process that the filter is for

_Instruction = tuple[int, int, int, int]
_Body = list[_Instruction]  # what decides on a system call, once its number is known

_REFUSE: Final = _ERRNO | errno.EPERM
_REFUSES: Final[_Instruction] = (_RETURN, 0, 0, _REFUSE)
_ALLOWS: Final[_Instruction] = (_RETURN, 0, 0, _ALLOW)


def is_supported_machine() -> bool:
    """Whether the table of this file is the running kernel's: x86_64 only."""
    return platform.machine() == "x86_64"


def bpf_program(profile: Profile = "program") -> tuple[bytearray, tuple[int, ...]]:
    """The filter for any process.

    Args:
        profile: `program` may signal nobody but itself; so may `client`, which may use sockets besides that it is handed;
            for `tree` Landlock or a namespace must hold signals in.

    Returns:
        Instructions of 8 bytes each (code, jump if true, jump if false, operand), ready for `PR_SET_SECCOMP` once the process's number
        (`=I`) stands at each of the places given besides.
    """
    program = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH_X86_64),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        *_searching(_ranges(_decisions(profile))),
    ]
    places = tuple(8 * index + 4 for index, (*_, operand) in enumerate(program) if operand == _THE_PROCESS)
    return bytearray().join(struct.pack("=HBBI", *code, max(0, operand)) for *code, operand in program), places


def _decisions(profile: Profile) -> dict[int, _Body]:
    """By number, what decides on a system call; on all others their range does."""
    decided: dict[int, _Body] = {
        number: [_REFUSES] for numbers in DENIED.values() for number in numbers if number not in _MORE_ALLOWED[profile]
    }
    decided |= {number: [_ALLOWS] for number in _ALLOWED_NEW_CALLS}
    decided[_PRLIMIT64] = _when(0, (_JUMP_EQUAL, (0, _THE_PROCESS)), matching=_ALLOW, else_=_REFUSE)
    decided[_FCNTL] = _when(1, (_JUMP_EQUAL, _DENIED_FCNTL), matching=_REFUSE, else_=_ALLOW)
    decided[_IOCTL] = _when(1, (_JUMP_EQUAL, _ALLOWED_IOCTL), matching=_ALLOW, else_=_REFUSE)
    decided[_PRCTL] = _when(0, (_JUMP_EQUAL, _DENIED_PRCTL), matching=_REFUSE, else_=_ALLOW)
    decided |= {number: _when(0, (_JUMP_AT_LEAST, (_FIRST_NEGATIVE,)), matching=_REFUSE, else_=_ALLOW) for number in _CLOCKS}
    for number, argument in _FLAGS_OF_CLIENTS if profile == "client" else ():
        decided[number] = _when(argument, (_JUMP_ANY_BIT, (_OUT_OF_BAND,)), matching=_REFUSE, else_=_ALLOW)
    decided |= _processes_of_tree() if profile == "tree" else _one_process()
    return decided | _of_drivers() if profile == "driver" else decided


def _ranges(decided: Mapping[int, _Body]) -> list[tuple[int, _Body]]:
    """Ranges of numbers that are decided alike, in order: the first number of each, and what decides."""
    ranges: list[tuple[int, _Body]] = []
    for first in sorted({0, _FIRST_NEW_CALL, _X32_BIT, *decided, *(number + 1 for number in decided)}):
        otherwise = _ALLOW if first < _FIRST_NEW_CALL else _ERRNO | errno.ENOSYS if first < _X32_BIT else _KILL_PROCESS
        body = decided.get(first, [(_RETURN, 0, 0, otherwise)])
        if not ranges or body != ranges[-1][1]:
            ranges.append((first, body))
    return ranges


def _searching(ranges: Sequence[tuple[int, _Body]]) -> list[_Instruction]:
    """Find the range of the number by halves: for every child the kernel tries its filter on all numbers, and a chain costs it much."""
    if len(ranges) == 1:
        return ranges[0][1]
    half = len(ranges) // 2
    below, above = _searching(ranges[:half]), _searching(ranges[half:])
    return [(_JUMP_AT_LEAST, len(below), 0, ranges[half][0]), *below, *above]


def _one_process() -> dict[int, _Body]:
    """clone makes threads only; glibc falls back to it when clone3, whose flags a filter cannot see, says ENOSYS."""
    decided = {_CLONE: _when(0, (_JUMP_ANY_BIT, (_CLONE_THREAD,)), matching=_ALLOW, else_=_REFUSE)}
    decided |= {number: _when(0, (_JUMP_EQUAL, (_THE_PROCESS,)), matching=_ALLOW, else_=_REFUSE) for number in _KILL}
    for number, argument in _ASKING_ABOUT:
        decided[number] = _when(argument, (_JUMP_EQUAL, (0, _THE_PROCESS)), matching=_ALLOW, else_=_REFUSE)
    decided[_AFFINITY] = _when(0, (_JUMP_EQUAL, (0, _THE_PROCESS)), matching=_ALLOW, else_=_ERRNO | errno.ENOSYS)
    return decided


def _processes_of_tree() -> dict[int, _Body]:
    decided: dict[int, _Body] = {number: [(_RETURN, 0, 0, _ERRNO)] for number in _PRETENDED}
    decided[_CLONE] = _when(0, (_JUMP_ANY_BIT, _CLONE_NEW_OR_BESIDE), matching=_REFUSE, else_=_ALLOW)
    decided[_SOCKETPAIR] = _only((_AF_UNIX,), _STREAMS)
    return decided


def _of_drivers() -> dict[int, _Body]:
    nobody: _Body = [(_RETURN, 0, 0, _ERRNO | errno.ENOENT)]
    return {_IOCTL: _ioctl_of_drivers(), _SOCKET: _only((_AF_UNIX,), _PACKETS), _CONNECT: nobody}


def _ioctl_of_drivers() -> _Body:
    allowed = (*_ALLOWED_IOCTL, *_MORE_DRIVER_IOCTL)
    tests = [(_JUMP_EQUAL, len(allowed) - index + 2, 0, request) for index, request in enumerate(allowed)]
    bounds = [(_JUMP_AT_LEAST, 2, 0, _FIRST_DRIVER_IOCTL), (_JUMP_AT_LEAST, 0, 1, _NO_DRIVER_IOCTL)]
    return [(_LOAD, 0, 0, 24), *tests, *bounds, _REFUSES, _ALLOWS]


def _when(argument: int, test: tuple[int, tuple[int, ...]], *, matching: int, else_: int) -> _Body:
    """Decide by the low word of one argument (the kernel takes these as 32 bits, too)."""
    code, operands = test
    tests = [(code, len(operands) - index, 0, operand) for index, operand in enumerate(operands)]
    return [(_LOAD, 0, 0, 16 + 8 * argument), *tests, (_RETURN, 0, 0, else_), (_RETURN, 0, 0, matching)]


def _only(*allowed: tuple[int, ...]) -> _Body:
    """Refuse unless each of the first arguments has one of the values allowed for it."""
    body: _Body = []
    for argument, values in enumerate(allowed):
        tests = [(_JUMP_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
        body += [(_LOAD, 0, 0, 16 + 8 * argument), *tests, _REFUSES]
    return [*body, _ALLOWS]
