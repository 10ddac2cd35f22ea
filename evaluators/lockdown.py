"""Lock a process down: resource limits, no capabilities, Landlock, seccomp. Standard library only: the template imports it.

Each function acts on the calling process for good, and raises where the kernel refuses: whoever calls must then not run the program.
"""

from __future__ import annotations

import ctypes
import functools
import os
import resource
import signal
import stat
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from .seccomp import Profile, bpf_program, is_supported_machine

__all__ = [
    "ABI_OF_SCOPES",
    "Rule",
    "SystemCalls",
    "address_space_mb",
    "close_others",
    "die_with_parent",
    "drop_privileges",
    "file_ruleset",
    "has_seccomp",
    "landlock_abi",
    "open_readable",
    "prefer_for_oom",
    "prepare_listings",
    "prepare_rules",
    "reap_orphans",
    "restrict_files",
    "set_limits",
    "use_memory_reserve",
]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SECCOMP_MODE_FILTER: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAPABILITIES: Final = 64

_SYS_CAPSET: Final = 126
_SYS_LANDLOCK_CREATE_RULESET: Final = 444
_SYS_LANDLOCK_ADD_RULE: Final = 445
_SYS_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_CREATE_RULESET_VERSION: Final = 1
_LANDLOCK_RULE_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_MAKE_CHAR: Final = 1 << 6
_MAKE_SOCK: Final = 1 << 9
_MAKE_BLOCK: Final = 1 << 11
_REFER: Final = 1 << 13
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15
_ALL_OF_ABI_1: Final = (1 << 13) - 1
_RIGHTS_SINCE: Final = ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))  # by the ABI that brought them
_NETWORK: Final = 0b11  # bind and connect of TCP
_ABI_OF_NETWORK: Final = 4
_SCOPES: Final = 0b11  # abstract unix sockets and signals
ABI_OF_SCOPES: Final = 6
"""The Landlock ABI from which on signals stay within what is confined together."""

Rule = ctypes.Array[ctypes.c_char]
"""A rule of Landlock, as the kernel takes it; good as long as its descriptor is open."""

_NUMBER: Final = struct.Struct("=I")
_MIB: Final = 1024 * 1024
_MOST_DESCRIPTORS: Final = 1 << 20
# Together they bound what open files can take, named or not: 512 MiB.
_FILE_MB: Final = 16
OPEN_FILES: Final = 32
"""How many a program may have open."""
FILES_OF_DRIVERS: Final = 256
"""How many with a GPU, whose driver keeps some 40 open."""
_MEMORY_RESERVE_MB: Final = 32
_THREADS_AND_CHILDREN: Final = 64
_TIMERS_AND_SIGNALS: Final = 256  # of the user, who has tens of thousands
_NO_CORE: Final = 1  # not 0: with that the kernel would still run the program that a machine pipes core dumps to


def address_space_mb() -> float:
    """Address space of this process now, in MiB; to the page, for what a program finds free above it must be the same everywhere."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize() / _MIB


def set_limits(
    *, memory_mb: float | None, cpu_s: int, processes: int | None = None, file_mb: int = _FILE_MB, open_files: int = OPEN_FILES
) -> None:
    """Set hard resource limits: memory, CPU, size and number of files, timers and signals that wait; no core dumps.

    Args:
        memory_mb: Address space, in MiB; None sets no limit, for a GPU's driver reserves more than there is.
        cpu_s: CPU seconds after which SIGXCPU comes; SIGKILL follows a second later.
        processes: Processes and threads that the user has now, to allow a few dozen more; None sets no limit.
            It is for the weak level, and the kernel ignores it for root.
        file_mb: Size of one file, in MiB.
        open_files: How many may be open.
    """
    wanted = {
        resource.RLIMIT_CPU: (cpu_s, cpu_s + 1),
        resource.RLIMIT_FSIZE: (file_mb * _MIB, file_mb * _MIB),
        resource.RLIMIT_NOFILE: (open_files, open_files),
        resource.RLIMIT_CORE: (_NO_CORE, _NO_CORE),
        resource.RLIMIT_SIGPENDING: (_TIMERS_AND_SIGNALS, _TIMERS_AND_SIGNALS),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
    }
    if memory_mb is not None:
        wanted[resource.RLIMIT_AS] = (int(memory_mb * _MIB), int((memory_mb + _MEMORY_RESERVE_MB) * _MIB))
    if processes is not None:
        most = processes + _THREADS_AND_CHILDREN
        wanted[resource.RLIMIT_NPROC] = (most, most)
    for limit, (soft, hard) in wanted.items():
        _, ceiling = resource.getrlimit(limit)
        bound = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
        resource.setrlimit(limit, (min(soft, bound), bound))


def use_memory_reserve() -> None:
    """Allow the few MiB more that encoding a result, or the news that memory ran out, may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def drop_privileges() -> None:
    """Give up every capability for good, also those that a set-uid file would bring.

    Raises:
        OSError: If the kernel refuses.
    """
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES):
            # EINVAL where the kernel knows no capability of that number.
            _libc().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header, none = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)), ctypes.create_string_buffer(24)
    _system_call(_SYS_CAPSET, ctypes.addressof(header), ctypes.addressof(none))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies.

    Args:
        parent: The parent's process id; if it is gone already, this process ends here.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def reap_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def prefer_for_oom() -> None:
    """Have the kernel choose this process first when the machine runs out of memory."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"1000")
    finally:
        os.close(descriptor)


def landlock_abi() -> int:
    """The kernel's Landlock ABI, at least 1; 0 where there is none."""
    return max(0, int(_libc().syscall(_SYS_LANDLOCK_CREATE_RULESET, 0, 0, _LANDLOCK_CREATE_RULESET_VERSION, 0)))


def open_readable(paths: Iterable[str]) -> tuple[int, ...]:
    """Descriptors of files and directories for `restrict_files`; what is not there is left out."""
    descriptors = []
    for path in paths:
        try:
            descriptors.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            continue
    return tuple(descriptors)


def prepare_rules(descriptors: Iterable[int]) -> tuple[Rule, ...]:
    """Rules that allow reading what some descriptors of `open_readable` stand for; made once, for they are many."""
    return tuple(_rule(descriptor, _READ_FILE | _READ_DIR) for descriptor in descriptors)


def prepare_listings(descriptors: Iterable[int]) -> tuple[Rule, ...]:
    """Rules that allow listing directories and those beneath, and reading nothing: what looks for a module asks for that."""
    return tuple(_rule(descriptor, _READ_DIR) for descriptor in descriptors)


def close_others(kept: Iterable[int]) -> None:
    """Close every descriptor but these, which must not be listed first: a process that is locked down cannot."""
    first = 0
    for descriptor in (*sorted(kept), _MOST_DESCRIPTORS):
        if first < descriptor:  # of an empty range Python closes all
            os.closerange(first, descriptor)
        first = descriptor + 1


def has_seccomp() -> bool:
    """Whether the kernel filters system calls, on a machine whose calls we know."""
    return is_supported_machine() and "\nSeccomp:" in Path("/proc/self/status").read_text(encoding="utf-8")


def file_ruleset(
    *,
    readable: Iterable[Rule],
    writable: str,
    executable: Iterable[int] = (),
    also_writable: Iterable[str] = (),
    devices: Sequence[str] = (),
) -> int:
    """A ruleset of Landlock: reading beneath some paths and writing beneath one, and nothing else; no TCP, no signals to the outside.

    Args:
        readable: From `prepare_rules`.
        writable: A directory; nothing in it can be executed, or be a device, or a socket where there are no `devices`.
        executable: From `open_readable`; what is beneath can be read and executed.
        also_writable: Directories and files that can be written besides; what is not there is left out.
        devices: Devices and directories of them that can be used; likewise.

    Returns:
        Its descriptor, for `restrict_files`: once, or once in each of many children.

    Raises:
        OSError: If the kernel has no Landlock, or refuses.
    """
    own = open_readable((writable, *also_writable))
    abi = landlock_abi()
    if abi < 1:
        raise OSError("this kernel has no Landlock (it needs 5.13 or later, with `landlock` among its security modules)")
    handled = _ALL_OF_ABI_1
    for since, right in _RIGHTS_SINCE:
        handled |= right if abi >= since else 0
    words = [handled, _NETWORK, _SCOPES][: 1 + (abi >= _ABI_OF_NETWORK) + (abi >= ABI_OF_SCOPES)]
    attributes = ctypes.create_string_buffer(struct.pack(f"={len(words)}Q", *words), 8 * len(words))
    ruleset = _system_call(_SYS_LANDLOCK_CREATE_RULESET, ctypes.addressof(attributes), len(attributes))
    written = handled & ~(_EXECUTE | _MAKE_CHAR | _MAKE_BLOCK | (0 if devices else _MAKE_SOCK) | _IOCTL_DEV)
    runnable = (_rule(descriptor, _READ_FILE | _READ_DIR | _EXECUTE) for descriptor in executable)
    driven = open_readable(devices)
    usable = (_rule(descriptor, _READ_FILE | _READ_DIR | _WRITE_FILE | ((_IOCTL_DEV | _TRUNCATE) & handled)) for descriptor in driven)
    _add_rules(ruleset, (*readable, *runnable, *usable, *(_rule(descriptor, written) for descriptor in own)))
    for descriptor in (*own, *driven):
        os.close(descriptor)
    return ruleset


def restrict_files(ruleset: int) -> None:
    """Be held by a ruleset of `file_ruleset` from now on, and close its descriptor.

    Raises:
        OSError: If the kernel refuses.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _system_call(_SYS_LANDLOCK_RESTRICT_SELF, ruleset)
    os.close(ruleset)


class SystemCalls:
    """The filter of `seccomp.py`: no processes, no sockets, no signals to others; made once, for whoever restricts itself to it.

    Args:
        profile: For a `tree` no processes and signals beyond itself; for a `client` the sockets that it is handed.

    Raises:
        OSError: If the machine is not x86_64.
    """

    def __init__(self, profile: Profile = "program") -> None:
        if not is_supported_machine():
            raise OSError(f"the sandbox knows the system calls of x86_64 only, this machine is {os.uname().machine}")
        self._program, self._places = bpf_program(profile)
        instructions = (ctypes.c_char * len(self._program)).from_buffer(self._program)
        self._header = ctypes.create_string_buffer(struct.pack("@HP", len(self._program) // 8, ctypes.addressof(instructions)))
        self._address = ctypes.addressof(self._header)

    def restrict(self) -> None:
        """Install it for this process.

        Raises:
            OSError: If the kernel refuses.
        """
        pid = os.getpid()
        for place in self._places:
            _NUMBER.pack_into(self._program, place, pid)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._address)


def _rule(descriptor: int, rights: int) -> Rule:
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
    return ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor))


def _add_rules(ruleset: int, rules: Iterable[Rule]) -> None:
    for rule in rules:
        _system_call(_SYS_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, ctypes.addressof(rule))


@functools.cache
def _libc() -> ctypes.CDLL:
    """The C library, its calls prepared for plain numbers: in a child an object for each argument would cost more than the call."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    libc.syscall.argtypes = (ctypes.c_long,) * 5
    libc.syscall.restype = ctypes.c_long
    return libc


def _prctl(option: int, argument: int, address: int = 0) -> None:
    if _libc().prctl(option, argument, address, 0, 0) != 0:
        raise _os_error(f"prctl({option})")


def _system_call(number: int, *arguments: int) -> int:
    """What the kernel gives for a call with up to four numbers, addresses among them."""
    result = int(_libc().syscall(number, *arguments, *(0, 0, 0, 0)[len(arguments) :]))
    if result < 0:
        raise _os_error(f"system call {number}")
    return result


def _os_error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
