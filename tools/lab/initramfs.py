"""The guest's initramfs: busybox, an init script and the programs under tools/ and tests/guest/ that it runs."""

import shutil
from pathlib import Path

from . import kernel
from .command import newer, run
from .debian import unpack
from .paths import BUILD, ROOT

SCRIPTS = ROOT / "tests/initramfs"
FILES = {
    "init": SCRIPTS / "init",
    "etc/inittab": SCRIPTS / "inittab",
    "etc/motd": SCRIPTS / "motd",
    **{f"tests/{name}": SCRIPTS / name
       for name in ("report", "budget", "load", "life-kexec", "life-reboot", "life-panic", "life-hotplug", "pstore")},
}
# of the cloud kernel, for tests that load them
MODULES = ("kernel/fs/efivarfs/efivarfs.ko", "kernel/lib/reed_solomon/reed_solomon.ko", "kernel/fs/pstore/ramoops.ko")
PROGRAMS = {"bin/plinth-stat": ROOT / "tools/plinth-stat.c", "bin/meter": SCRIPTS / "meter.c", "bin/stress": SCRIPTS / "stress.c",
            "bin/kexec": SCRIPTS / "kexec.c"}
# for a person at the serial line (or a test in its place)
SERIAL_FILES = {
    "etc/inittab": SCRIPTS / "login/inittab",
    "etc/passwd": SCRIPTS / "login/passwd",
    "tests/setserial": SCRIPTS / "setserial",
}
LIBRARIES = ("lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6")  # of setserial


def build(target=BUILD / "initrd.img", extra=None):
    """Make the initramfs and return its path. `extra` maps further names in it to files."""
    programs = {name: compile_static(source) for name, source in PROGRAMS.items()}
    busybox = unpack("busybox-static", BUILD / "busybox") / "bin/busybox"
    modules = {f"modules/{Path(name).name}": kernel.fetch("cloud").modules / name for name in MODULES}
    files = {**FILES, **modules, "bin/busybox": busybox, **programs, **(extra or {})}
    if not newer(target, Path(__file__), *files.values()):
        write_cpio(target, files)
    return target


def build_serial():
    """Make one that asks for a login on ttyS0, with Debian's setserial in it, and return its path."""
    setserial, libc = unpack("setserial", BUILD / "setserial"), unpack("libc6", BUILD / "libc6")
    return build(BUILD / "initrd-serial.img",
                 {**SERIAL_FILES, "bin/setserial": setserial / "bin/setserial", **{name: libc / name for name in LIBRARIES}})


def compile_static(source):
    """A C program as a static binary under build/."""
    target = BUILD / source.stem
    if not newer(target, source):
        BUILD.mkdir(exist_ok=True)
        run("gcc", "-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-I", ROOT, "-o", target, source)
    return target


def write_cpio(target, files):
    """Lay the files out in a directory and pack it. Not compressed: an emulator unpacks that in a fraction of the time."""
    tree = target.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "dev", "proc", "sys", "tmp", "root"):
        (tree / name).mkdir(parents=True)
    for name, source in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tree / name)
        (tree / name).chmod(0o755)
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    run("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-O", target.resolve(), input="\n".join(names), cwd=tree)
    shutil.rmtree(tree)
