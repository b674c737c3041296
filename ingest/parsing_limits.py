"""What a process that parses may use and do: limits of its resources, a filter of system calls, an audit hook.

The three are independent. Limits bound memory, time and files. The filter (Linux on x86-64 and ARM64) binds native code
too: no network, no program, no process, no signal to others, nothing changed in the file system. The hook binds Python
on every system, and it alone refuses reading. Knows no document; nothing here can be taken back.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What parsing one document may cost at most."""

    seconds: float = 60.0
    """Of the wall clock, and of the processor."""
    memory_bytes: int = 3 * 2**29
    """Address space of the process, interpreter included."""
    files: int = 64
    """Open at once."""
    output_bytes: int = 128 * 2**20
    """Size of what is made of a document: its text and its words, in UTF-8."""

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf or min(self.memory_bytes, self.files, self.output_bytes) < 1:
            raise ValueError("limits must be more than 0")


def limit_resources(limits: ParseLimits) -> None:
    """Limits that stay for the life of this process; no more than it had before."""
    ceilings = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "darwin":
        del ceilings[resource.RLIMIT_AS]  # the system refuses to set it
    for kind, ceiling in ceilings.items():
        hard = resource.getrlimit(kind)[1]
        lower = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
        resource.setrlimit(kind, (lower, lower))


def limit_processor(seconds: float) -> None:
    """From now on this process may compute `seconds` more, rounded up; then the system ends it with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    ends_at = math.ceil(used.ru_utime + used.ru_stime + seconds)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (ends_at if hard == resource.RLIM_INFINITY else min(ends_at, hard), hard))


def memory_gauge() -> Callable[[], int]:
    """A function that says how many bytes of memory this process has in use, 0 where only a guess could be had.

    Made before `watch_python`. What getrusage calls the peak would not do: it begins with that of the parent.
    """
    try:
        gauge = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return int
    page = os.sysconf("SC_PAGE_SIZE")
    return lambda: int(os.pread(gauge, 200, 0).split()[1]) * page


# --- the audit hook ---

_REFUSED = frozenset(
    "os.system os.exec os.posix_spawn os.spawn os.fork os.forkpty os.startfile os.kill os.killpg pty.spawn"
    " subprocess.Popen os.remove os.rename os.mkdir os.rmdir os.link os.symlink os.truncate os.chmod os.chown os.utime"
    " os.setxattr os.removexattr shutil.rmtree shutil.move sqlite3.connect".split()
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def watch_python() -> None:
    """Refuse, with PermissionError, network, processes and every file but those that are read to import modules."""
    roots = tuple(
        {os.path.realpath(root) + os.sep for root in (sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path) if root}
    )

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int):
                return  # a descriptor is open already
            if flags & _WRITING or set(mode or "") & set("wax+"):
                refuse(event)
            if not os.path.realpath(os.fsdecode(path)).startswith(roots):
                refuse(event)
        elif event in _REFUSED or event.startswith("socket."):
            refuse(event)

    def refuse(event: str) -> NoReturn:
        raise PermissionError(errno.EPERM, f"a parser may not do this: {event}")

    sys.addaudithook(hook)


# --- the filter of system calls ---

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
"""AUDIT_ARCH_* of linux/audit.h."""
_OTHER_ABI = 0x40000000
"""From here on numbers of x86-64 mean the x32 variant of a system call."""

# Numbers of system calls, from asm/unistd_64.h and asm-generic/unistd.h.
_ANYWHERE = (
    *(424, 434, 438),  # pidfd_send_signal, pidfd_open, pidfd_getfd
    *(425, 426, 427),  # io_uring_*: makes other system calls past this filter
    *(452, 463, 466),  # fchmodat2, setxattrat, removexattrat
)
_FORBIDDEN = {
    _X86_64: (
        *_ANYWHERE,
        *(41, 53, 42, 49, 50, 43, 288),  # socket, socketpair, connect, bind, listen, accept, accept4
        *(59, 322, 101, 57, 58, 272, 308),  # execve, execveat, ptrace, fork, vfork, unshare, setns
        *(200, 129, 297, 310, 311),  # tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, process_vm_readv, process_vm_writev
        *(321, 323, 298, 248, 249, 250),  # bpf, userfaultfd, perf_event_open, add_key, request_key, keyctl
        *(165, 166, 161, 155, 304),  # mount, umount2, chroot, pivot_root, open_by_handle_at
        *(85, 83, 258, 133, 259, 84, 87, 263),  # creat, mkdir, mkdirat, mknod, mknodat, rmdir, unlink, unlinkat
        *(
            82,
            264,
            316,
            86,
            265,
            88,
            266,
            76,
        ),  # rename, renameat, renameat2, link, linkat, symlink, symlinkat, truncate
        *(90, 91, 268, 92, 93, 94, 260),  # chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat
        *(188, 189, 190, 197, 198, 199),  # [lf]setxattr, [lf]removexattr
        *(132, 235, 261, 280),  # utime, utimes, futimesat, utimensat
    ),
    _AARCH64: (
        *_ANYWHERE,
        *(198, 199, 203, 200, 201, 202, 242),  # socket, socketpair, connect, bind, listen, accept, accept4
        *(221, 281, 117, 97, 268),  # execve, execveat, ptrace, unshare, setns
        *(130, 138, 240, 270, 271),  # tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, process_vm_readv, process_vm_writev
        *(280, 282, 241, 217, 218, 219),  # bpf, userfaultfd, perf_event_open, add_key, request_key, keyctl
        *(40, 39, 51, 41, 265),  # mount, umount2, chroot, pivot_root, open_by_handle_at
        *(
            34,
            33,
            35,
            38,
            276,
            37,
            36,
            45,
        ),  # mkdirat, mknodat, unlinkat, renameat, renameat2, linkat, symlinkat, truncate
        *(52, 53, 54, 55),  # fchmod, fchmodat, fchownat, fchown
        *(5, 6, 7, 14, 15, 16, 88),  # [lf]setxattr, [lf]removexattr, utimensat
    ),
}
_UNKNOWN = (435, 437)
"""clone3 and openat2 hide their arguments behind a pointer: they "do not exist", and libraries take the older ones."""
_CLONE, _KILLS = {_X86_64: 56, _AARCH64: 220}, {_X86_64: (62, 234), _AARCH64: (129, 131)}
"""kill and tgkill: a process may end itself, as `abort` does."""
_OPENS = {_X86_64: ((2, 1), (257, 2)), _AARCH64: ((56, 2),)}
"""open and openat, with the place of the flags among their arguments."""
_CLONE_THREAD = 0x10000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""BPF instructions of linux/bpf_common.h."""
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; of an argument, its lower half is looked at."""
_KILL, _ALLOW, _FAIL = 0x80000000, 0x7FFF0000, 0x00050000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 1, 38, 22, 2

_Instruction = tuple[int, int, int, int]
"""Code, instructions to skip if true and if false, operand."""


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def filter_system_calls() -> bool:
    """Install the filter for the thread that calls, and all it starts; False where there is none for this system."""
    architecture = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine())
    if sys.platform != "linux" or architecture is None or sys.maxsize < 2**32:
        return False
    instructions = [_Filter(*instruction) for instruction in _instructions(architecture, os.getpid())]
    table = (_Filter * len(instructions))(*instructions)
    program = _Program(len(instructions), ctypes.cast(table, ctypes.POINTER(_Filter)))
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))
    except OSError:  # a kernel, or a sandbox around us, without filters: the hook is left
        return False
    return True


def die_with_parent(parent: int, signal_number: int) -> None:
    """Have the kernel end this process when the thread that started it ends, where it can; `parent` is its process."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # it was gone before that
        os._exit(0)


def _instructions(architecture: int, own_pid: int) -> Iterator[_Instruction]:
    refuse = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, architecture)
    yield (_RETURN, 0, 0, _KILL)  # a 32-bit system call in a 64-bit process
    yield (_LOAD, 0, 0, _NUMBER)
    if architecture == _X86_64:
        yield (_AT_LEAST, 0, 1, _OTHER_ABI)
        yield refuse
    for number in _UNKNOWN:
        yield (_EQUAL, 0, 1, number)
        yield (_RETURN, 0, 0, _FAIL | errno.ENOSYS)
    for number in _FORBIDDEN[architecture]:
        yield (_EQUAL, 0, 1, number)
        yield refuse
    # system calls allowed with some arguments: the test skips to `allow`, or falls to `refuse`
    conditions = [
        (_CLONE[architecture], 0, (_ANY_BIT, 1, 0, _CLONE_THREAD)),
        *((number, 0, (_EQUAL, 1, 0, own_pid)) for number in _KILLS[architecture]),
        *((number, place, (_ANY_BIT, 0, 1, _WRITING)) for number, place in _OPENS[architecture]),
    ]
    for number, place, test in conditions:
        yield (_EQUAL, 0, 4, number)
        yield (_LOAD, 0, 0, _ARGUMENTS + 8 * place)
        yield test
        yield refuse
        yield allow
    yield allow


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    values = [ctypes.c_ulong(value) for value in (*arguments, *[0] * (4 - len(arguments)))]
    if libc.prctl(ctypes.c_int(option), *values) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
