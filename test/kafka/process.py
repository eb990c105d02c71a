"""Child processes and temporary folders that end with the test, even when the test itself is killed."""

import atexit
import concurrent.futures
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile

PREFIX = "odraz-test-"
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
# PR_SET_PDEATHSIG fires when the *thread* that forked ends, so all children come from one thread that lives as long
# as the test: a broker restarted by a short-lived thread would die with it.
_launcher = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="launcher")
_children = []


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def launch(command, **options):
    """subprocess.Popen for a child in a session of its own (no Ctrl-C of ours) that never outlives us."""
    options = {"stdin": subprocess.DEVNULL, "start_new_session": True, "preexec_fn": _die_with_parent, **options}
    child = _launcher.submit(subprocess.Popen, command, **options).result()
    _children.append(child)
    return child


def end(child):
    """SIGKILL, also for a stopped process, and reap it."""
    if child.poll() is None:
        child.kill()
    child.wait()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _sweep():
    """Folders of tests that were killed before they could tidy up, or became another program: with our id, too."""
    for name in os.listdir(tempfile.gettempdir()):
        pid = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and pid.isdigit() and (int(pid) == os.getpid() or not _alive(int(pid))):
            shutil.rmtree(os.path.join(tempfile.gettempdir(), name), ignore_errors=True)


_root = None


def temporary(name):
    """A fresh folder for `name`, removed at the end unless ODRAZ_KEEP is set."""
    global _root
    if _root is None:
        _sweep()
        _root = os.path.join(tempfile.gettempdir(), f"{PREFIX}{os.getpid()}")
        os.makedirs(_root)
    return tempfile.mkdtemp(prefix=name + "-", dir=_root)


def _tidy():
    for child in _children:
        end(child)
    if _root is not None:
        if os.environ.get("ODRAZ_KEEP"):
            print(f"kept: {_root}")
        else:
            shutil.rmtree(_root, ignore_errors=True)


atexit.register(_tidy)
