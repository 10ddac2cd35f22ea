"""What a hostile program tries against the machine that it runs on, by area."""

from __future__ import annotations

from .attack import ENOSYS, EPERM, Attack

__all__ = ["ATTACKS_ON_MACHINE"]

ATTACKS_ON_MACHINE = {
    "environment": {
        "the environment's key": Attack(
            body="return [name for name in os.environ if 'KEY' in name]", stopped_by="clean environment", kind="success", output=[]
        ),
        "the driver's environment": Attack(
            body="return open(f'/proc/{there[\"driver\"]}/environ').read()", stopped_by="Landlock", hidden=True
        ),
        "the template's environment": Attack(body="return open(f'/proc/{os.getppid()}/environ').read()", stopped_by="Landlock"),
        "the environment that its process began with": Attack(body="return open('/proc/self/environ').read()", stopped_by="Landlock"),
        "the environment beneath Python": Attack(
            body="""variables = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, 'environ')
    return [name.decode() for name in iter(iter(variables).__next__, None) if b'KEY' in name]""",
            stopped_by="clean environment",
            kind="success",
            output=[],
        ),
        "what lies in the home that its environment names": Attack(
            body="return os.listdir(os.path.expanduser('~'))", stopped_by="scratch of its own", kind="success", output=[]
        ),
        "the driver's command line": Attack(
            body="return open(f'/proc/{there[\"driver\"]}/cmdline').read()", stopped_by="Landlock", hidden=True
        ),
    },
    "files": {
        "the template's memory": Attack(body="return len(open(f'/proc/{os.getppid()}/mem', 'rb').read(1))", stopped_by="Landlock"),
        "the task file": Attack(body="return open(there['secret']).read()", stopped_by="Landlock"),
        "the task file by a symlink": Attack(
            body="os.symlink(there['secret'], 'link')\n    return open('link').read()", stopped_by="Landlock"
        ),
        "the task file by a hard link": Attack(
            body="os.link(there['secret'], 'link')", stopped_by="Landlock", kind="crash", message="cross-device link"
        ),
        "the home directory": Attack(body="return os.listdir(there['home'])", stopped_by="Landlock"),
        "the password file": Attack(body="return open('/etc/passwd').read()", stopped_by="Landlock"),
        "another child's directory": Attack(body="return os.listdir('..')", stopped_by="Landlock"),
        "a file outside": Attack(body="open(there['outside'], 'w').write('x')", stopped_by="Landlock"),
        "a file moved outside": Attack(body="open('x', 'w').write('x')\n    os.rename('x', there['outside'])", stopped_by="Landlock"),
        "a file outside deleted": Attack(body="os.remove(there['secret'])", stopped_by="Landlock"),
        "a file outside emptied": Attack(body="os.truncate(there['secret'], 0)", stopped_by="Landlock"),
        "a file's mode": Attack(body="os.chmod(there['secret'], 0o777)", stopped_by="seccomp"),
        "a file's times": Attack(body="os.utime(there['secret'], (0, 0))", stopped_by="seccomp"),
        "a file without end": Attack(
            body="file = open('x', 'wb')\n    while True:\n        file.write(bytes(1 << 20))",
            stopped_by="file size limit",
            kind="crash",
            message="File too large",
        ),
        "space beyond a file's end": Attack(
            body="return call(285, os.open('x', os.O_RDWR | os.O_CREAT), 1, 0, 1 << 30)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "files without names": Attack(
            body="files = []\n    for _ in range(40):\n        files.append(open('x', 'wb'))\n        os.remove('x')",
            stopped_by="limit of open files",
            kind="crash",
            message="Too many open files",
        ),
        "files that are mapped, removed and closed": Attack(
            body="""libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    while True:
        with open('x', 'w+b') as file:
            file.write(bytes(16 << 20))
            libc.mmap(None, 4096, 1, 2, file.fileno(), 0)
            os.remove('x')""",
            stopped_by="watch over what is written",
            timeout_s=10.0,
            message="512 MiB",
        ),
        "a lock that siblings see": Attack(
            body="import fcntl\n    fcntl.flock(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)", stopped_by="seccomp"
        ),
        "a lock that siblings see, of the other kind": Attack(
            body="import fcntl\n    fcntl.lockf(open(os.__file__), fcntl.LOCK_SH | fcntl.LOCK_NB)", stopped_by="seccomp"
        ),
        "a full disk": Attack(
            body="for n in range(10**9):\n        with open(str(n), 'wb') as file:\n            file.write(bytes(1 << 20))",
            stopped_by="watch over the directory",
            timeout_s=10.0,
            message="MiB",  # of the folder's size or of what was written: whichever watch looks first
        ),
        "a directory too deep to look into, and closed to its owner": Attack(
            body="for _ in range(3000):\n        os.mkdir('d', 0)\n        os.mkdir('e' * 99)\n        os.chdir('e' * 99)\n"
            "    while True:\n        pass",
            stopped_by="watch over the directory",
            timeout_s=10.0,
            message="1000 files",
        ),
        "its own memory as a file": Attack(body="open('/proc/self/mem', 'r+b')", stopped_by="Landlock"),
        "the map of its memory": Attack(body="return open('/proc/self/maps').read()", stopped_by="Landlock"),
        "what the template has open": Attack(body="return os.listdir(f'/proc/{os.getppid()}/fd')", stopped_by="Landlock"),
        "where the template stands": Attack(body="return os.readlink(f'/proc/{os.getppid()}/cwd')", stopped_by="Landlock"),
        "the task file by openat2": Attack(
            body="""path, how = ctypes.create_string_buffer(there['secret'].encode()), (ctypes.c_uint64 * 3)()
    return call(437, -100, ctypes.addressof(path), ctypes.addressof(how), 24)""",
            stopped_by="Landlock",
            kind="success",
            output=[-1, 13],
        ),
        "the task file by a handle": Attack(body="return call(303, -100, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "the task file by a descriptor that opens nothing": Attack(
            body="""at = os.open(there['secret'], os.O_PATH)
    return open(f'/proc/self/fd/{at}').read()""",
            stopped_by="Landlock",
        ),
        "the task file by its folder": Attack(
            body="""at = os.open(os.path.dirname(there['secret']), os.O_RDONLY)
    return os.open('secret', os.O_RDONLY, dir_fd=at)""",
            stopped_by="Landlock",
        ),
        "the task file by a copy within the kernel": Attack(
            body="""at = os.open(there['secret'], os.O_PATH)
    return call(326, at, 0, os.open('x', os.O_RDWR | os.O_CREAT), 0, 9, 0)""",
            stopped_by="Landlock",
            kind="success",
            output=[-1, 9],
        ),
        "a mount": Attack(body="return call(165, 0, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "a mount by the newer calls": Attack(
            body="return [call(number, 0, 0, 0) for number in (428, 429, 430, 432, 442)]",
            stopped_by="seccomp",
            kind="success",
            output=[ENOSYS] * 5,
        ),
        "another root": Attack(body="os.chroot('.')", stopped_by="seccomp"),
        "a device of its own making": Attack(body="os.mknod('null', 0o666 | stat.S_IFCHR, os.makedev(1, 3))", stopped_by="seccomp"),
        "a device": Attack(body="return open('/dev/zero', 'rb').read(1)[0]", stopped_by="Landlock"),
        "a terminal": Attack(body="open('/dev/tty', 'w').write('x')", stopped_by="Landlock"),
        "the library that all read": Attack(body="open(os.__file__, 'a').write('x')", stopped_by="Landlock"),
        "the directories of other candidates": Attack(body="return os.listdir('../..')", stopped_by="Landlock"),
        "files without number": Attack(
            body="for n in range(10**9):\n        open(str(n), 'w').close()",
            stopped_by="watch over the directory",
            timeout_s=10.0,
            message="1000 files",
        ),
        "links without number": Attack(
            body="for n in range(10**9):\n        os.symlink('x', str(n))",
            stopped_by="watch over the directory",
            timeout_s=10.0,
            message="1000 files",
        ),
        "files of holes that are mapped, removed and closed": Attack(
            body="""libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    while True:
        with open('x', 'w+b') as file:
            file.truncate(16 << 20)
            libc.mmap(None, 4096, 1, 2, file.fileno(), 0)
            os.remove('x')""",
            stopped_by="watch over what is written",
            timeout_s=10.0,
            message="512 MiB",
        ),
        "an attribute of a file": Attack(body="open('x', 'w').close()\n    os.setxattr('x', 'user.note', b'x')", stopped_by="seccomp"),
        "a watch over others' files": Attack(
            body="return [call(number, 0, 0) for number in (253, 294, 300)]", stopped_by="seccomp", kind="success", output=[EPERM] * 3
        ),
        "writing that nobody counts": Attack(
            body="return [call(number, 0, 0, 0, 0, 0, 0) for number in (275, 276)]",
            stopped_by="seccomp",
            kind="success",
            output=[EPERM] * 2,
        ),
    },
    "network": {
        "TCP": Attack(body="import socket\n    socket.create_connection(('127.0.0.1', there['port']))", stopped_by="seccomp"),
        "UDP": Attack(body="import socket\n    socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))", stopped_by="seccomp"),
        "a unix socket": Attack(body="import socket\n    socket.socket(socket.AF_UNIX).connect(there['unix'])", stopped_by="seccomp"),
        "an event loop's sockets": Attack(body="import asyncio\n    asyncio.run(asyncio.sleep(0))", stopped_by="seccomp"),
        "the network's interfaces": Attack(
            body="import fcntl\n    return list(fcntl.ioctl(wire(), 0x8912, bytes(16)))", stopped_by="seccomp"
        ),
        "a raw socket": Attack(body="import socket\n    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", stopped_by="seccomp"),
        "packets": Attack(body="import socket\n    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", stopped_by="seccomp"),
        "the kernel's own sockets": Attack(
            body="import socket\n    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)", stopped_by="seccomp"
        ),
        "the host of a virtual machine": Attack(
            body="import socket\n    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)", stopped_by="seccomp"
        ),
        "a socket without a file": Attack(
            body="""import socket
    socket.socket(socket.AF_UNIX).connect('\\0' + there['unix'])""",
            stopped_by="seccomp",
        ),
        "a pair of sockets": Attack(body="import socket\n    socket.socketpair()", stopped_by="seccomp"),
        "to listen": Attack(body="import socket\n    socket.create_server(('127.0.0.1', 0))", stopped_by="seccomp"),
        "HTTP": Attack(
            body="""import urllib.request
    urllib.request.urlopen(f'http://127.0.0.1:{there["port"]}')""",
            stopped_by="path of imports and Landlock",
            kind="crash",
        ),
        "a descriptor sent over its own socket": Attack(
            body="return call(46, wire(), 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "the other end of its own socket": Attack(body="return call(52, wire(), 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
    },
    "processes": {
        "kill the template": Attack(body="os.kill(os.getppid(), 9)", stopped_by="seccomp"),
        "kill the driver": Attack(body="os.kill(there['driver'], 9)", stopped_by="seccomp"),
        "kill everybody": Attack(body="os.kill(-1, 9)", stopped_by="seccomp"),
        "a signal by way of a file's owner": Attack(
            body="import fcntl\n    fcntl.fcntl(wire(), fcntl.F_SETOWN, os.getppid())", stopped_by="seccomp"
        ),
        "the template's limits": Attack(
            body="import resource\n    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))", stopped_by="seccomp"
        ),
        "ptrace": Attack(body="return call(101, 16, os.getppid(), 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "process_vm_readv": Attack(
            body="return call(310, os.getppid(), 0, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "pidfd_open": Attack(body="return call(434, os.getppid(), 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "a new user namespace": Attack(body="return call(272, 0x10000000)", stopped_by="seccomp", kind="success", output=EPERM),
        "to outlive the template": Attack(body="return call(157, 1, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "a fork bomb": Attack(body="while True:\n        os.fork()", stopped_by="seccomp"),
        "a daemon by two forks": Attack(body="if os.fork() == 0:\n        os.setsid()\n        os.fork()", stopped_by="seccomp"),
        "vfork by clone": Attack(body="return call(56, 0x4111, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "clone3": Attack(body="return call(435, 0, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "a shell": Attack(body="os.execv('/bin/sh', ['sh', '-c', 'true'])", stopped_by="seccomp"),
        "a spawned shell": Attack(body="os.posix_spawn('/bin/sh', ['sh', '-c', 'true'], {})", stopped_by="seccomp"),
        "a thread bomb": Attack(
            body="import threading, time\n    while True:\n        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            stopped_by="address space",
            kind="crash",
            message="can't start new thread",
        ),
        "to be looked at by nobody": Attack(body="return call(157, 4, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "the template stopped": Attack(body="os.kill(os.getppid(), 19)", stopped_by="seccomp"),
        "its process group killed": Attack(body="os.killpg(os.getpgrp(), 9)", stopped_by="seccomp"),
        "a signal in a queue": Attack(body="return call(129, os.getppid(), 9, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "a signal to a thread": Attack(
            body="return [call(200, os.getppid(), 9), call(234, os.getppid(), os.getppid(), 9)]",
            stopped_by="seccomp",
            kind="success",
            output=[EPERM] * 2,
        ),
        "a signal by a descriptor": Attack(body="return call(424, 0, 9, 0, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "to be traced": Attack(body="return call(101, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "process_vm_writev": Attack(
            body="return call(311, os.getppid(), 0, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "the template's descriptors": Attack(body="return call(438, 0, 0, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "advice on the template's memory": Attack(
            body="return call(440, 0, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=ENOSYS
        ),
        "what it shares with the template": Attack(
            body="return call(312, os.getpid(), os.getppid(), 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "the template's processors": Attack(body="os.sched_setaffinity(os.getppid(), {0})", stopped_by="seccomp"),
        "a higher priority": Attack(body="os.nice(-5)", stopped_by="seccomp"),
        "real time": Attack(body="os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", stopped_by="seccomp"),
        "the driver's namespaces": Attack(body="return call(308, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "a new namespace by clone": Attack(
            body="return call(56, 0x10000011, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "a file executed by its descriptor": Attack(
            body="return call(322, 0, 0, 0, 0, 0x1000)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "threads with small stacks": Attack(
            body="""import threading, time
    threading.stack_size(32768)
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()""",
            stopped_by="watch over threads",
            timeout_s=10.0,
            message="512 threads",
        ),
        "whether the driver is there": Attack(body="return os.getsid(there['driver'])", stopped_by="seccomp"),
        "the driver's priority": Attack(body="return os.getpriority(os.PRIO_PROCESS, there['driver'])", stopped_by="seccomp"),
        "the driver's processors": Attack(
            body="return len(os.sched_getaffinity(there['driver']))", stopped_by="seccomp", kind="crash", message="not implemented"
        ),
        "a core dump for the machine's collector": Attack(
            body="os.abort()", stopped_by="limit of core dumps", kind="crash", message="Aborted"
        ),
    },
    "kernel": {
        "io_uring": Attack(body="return call(425, 8, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "bpf": Attack(body="return call(321, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "the kernel's keys": Attack(body="return call(250, 0, -3, 1)", stopped_by="seccomp", kind="success", output=EPERM),
        "the calls of 32 bits": Attack(body="return call(0x40000000 | 39)", stopped_by="seccomp", message="system call", output=None),
        "the calls of 32 bits, by their interrupt": Attack(
            body="""libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    code = bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3])
    place = libc.mmap(None, 4096, 7, 0x22, -1, 0)
    ctypes.memmove(place, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(place)()""",
            stopped_by="seccomp",
            message="system call",
        ),
        "page faults of its own handling": Attack(body="return call(323, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "counters of the processor": Attack(body="return call(298, 0, 0, -1, -1, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "modules, and another kernel": Attack(
            body="return [call(number, 0, 0, 0) for number in (175, 313, 246, 320)]",
            stopped_by="seccomp",
            kind="success",
            output=[EPERM] * 4,
        ),
        "its messages": Attack(body="return call(103, 3, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "the machine switched off": Attack(body="return call(169, 0, 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "another personality": Attack(body="return call(135, 0x40000)", stopped_by="seccomp", kind="success", output=EPERM),
        "a filter that others obey": Attack(body="return call(317, 1, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM),
        "calls newer than this table": Attack(
            body="return [call(number, 0, 0, 0, 0) for number in (457, 463, 470, 500)]",
            stopped_by="seccomp",
            kind="success",
            output=[ENOSYS] * 4,
        ),
        "a wall of its own in place of ours": Attack(body="return call(444, 0, 0, 1)", stopped_by="seccomp", kind="success", output=ENOSYS),
    },
    "memory": {
        "its own limits": Attack(
            body="import resource\n    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
            stopped_by="hard limits",
            kind="crash",
            message="not allowed to raise maximum limit",
        ),
        "a file in memory": Attack(body="os.memfd_create('x')", stopped_by="seccomp"),
        "shared memory": Attack(body="return call(29, 1, 4096, 0o1666)", stopped_by="seccomp", kind="success", output=EPERM),
        "pages pinned by a pipe": Attack(
            body="return call(278, os.pipe()[1], 0, 0, 0)", stopped_by="seccomp", kind="success", output=EPERM
        ),
        "a larger pipe": Attack(body="import fcntl\n    fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20)", stopped_by="seccomp"),
        "all memory": Attack(body="return len(bytearray(1 << 40))", stopped_by="address space", kind="memory"),
        "all memory bit by bit": Attack(
            body="kept = []\n    while True:\n        kept.append(bytearray(1 << 20))", stopped_by="address space", kind="memory"
        ),
        "all memory, and no end of trying": Attack(
            body="""kept = []
    while True:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass""",
            stopped_by="wall clock",
            kind="timeout",
            message="more than 0.5 s",
            timeout_s=0.5,
        ),
        "memory that stays": Attack(
            body="""place = ctypes.create_string_buffer(1 << 20)
    return call(149, ctypes.addressof(place), 1 << 20)""",
            stopped_by="limit of locked memory",
            kind="success",
            output=EPERM,
        ),
        "memory that nobody sees": Attack(body="return call(447, 0)", stopped_by="seccomp", kind="success", output=ENOSYS),
        "semaphores and queues": Attack(
            body="return [call(number, 1, 1, 0o1666) for number in (64, 68, 240)]", stopped_by="seccomp", kind="success", output=[EPERM] * 3
        ),
        "all of the machine's asynchronous files": Attack(
            body="""place = ctypes.c_long(0)
    return call(206, 60000, ctypes.addressof(place))""",
            stopped_by="seccomp",
            kind="success",
            output=EPERM,
        ),
        "recursion without end": Attack(
            body="def deeper(n):\n        return deeper(n + 1)\n    return deeper(0)",
            stopped_by="Python's own limit",
            kind="crash",
            message="RecursionError",
        ),
        "an address that is none": Attack(
            body="return ctypes.string_at(8).decode()", stopped_by="process of its own", kind="crash", message="Segmentation fault"
        ),
    },
}
