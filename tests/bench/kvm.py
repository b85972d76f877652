"""KVM in the same emulator: Debian's kernel with kvm-intel, and a client that runs the test guest's loops in a virtual CPU."""

import re

from machines import BENCH, LabError, ROOT, emulator, image, parse
from lab import bochs, initramfs, kernel
from lab.machine import Config

HERE = ROOT / "tests/bench"
MODULE = "kvm-intel"
SECONDS = 400
IPS = 10_000_000  # costs are in instructions; the fewer a second, the shorter the kernel's waits


def measure():
    """Boot Debian's kernel and run the client; {measure: (least, average, most)}."""
    config = Config(directory=BENCH / "kvm", cpus=1, memory=256, ips=IPS)
    config.directory.mkdir(parents=True, exist_ok=True)
    debian = kernel.fetch("generic")
    words = f"{kernel.CONSOLE} {bochs.kernel_parameters(IPS)} quiet plinth.test=kvm-bench"
    entry = image.linux_entry(debian.vmlinuz, make_initrd(debian, config.directory), words)
    config.iso = image.make_iso(entry, config.directory)
    with emulator.start("bochs", config) as machine:
        ended = machine.wait_end(SECONDS)
        text = machine.text
    if not ended or "test-end: kvm-bench status=0" not in text:
        raise LabError("kvm: the client did not end well; the console's last lines:\n" + "\n".join(text.splitlines()[-15:]))
    return parse(text)


def make_initrd(debian, directory):
    """The lab's initramfs with the modules, the client and the script that starts them."""
    modules = needed(debian.modules, MODULE)
    order = directory / "order"
    order.write_text("".join(path.name + "\n" for path in modules))
    extra = {f"modules/{path.name}": path for path in modules}
    extra["modules/order"] = order
    extra["bin/kvm_client"] = initramfs.compile_static(HERE / "kvm_client.c")
    extra["tests/kvm-bench"] = HERE / "kvm-bench"
    return initramfs.build(directory / "initrd.img", extra)


def needed(modules, name):
    """The files of a module and of what it depends on, in the order they must be loaded; uncompressed, as Debian has them."""
    found = next(modules.rglob(f"{name}.ko"), None) or next(modules.rglob(f"{name.replace('_', '-')}.ko"), None)
    if not found:
        raise LabError(f"{modules}: there is no {name}.ko")
    depends = re.search(rb"\0depends=([^\0]*)\0", found.read_bytes())
    files = []
    for other in depends[1].decode().split(",") if depends and depends[1] else []:
        files += [path for path in needed(modules, other) if path not in files]
    return [*files, found]
