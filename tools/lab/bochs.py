"""Bochs: an emulator with VMX in software, so Plinth runs on it wherever it runs."""

import re
import shutil
from pathlib import Path

from .command import LabError, run
from .machine import Running, listen

PROGRAM = "bochs-bin"
DEFAULT_MODEL = "corei7_skylake_x"
BIOS = Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = Path("/usr/share/vgabios/vgabios-stdvga.bin")
OVMF = Path("/usr/share/ovmf/OVMF.fd")  # code and variables in one
GIB = 1 << 30
HOST_MEMORY_MAX = 2048  # MiB; Bochs itself pages out the rest of a larger guest, which a test hardly touches
QUANTUM = 32  # instructions a CPU runs before the next one's turn: the largest that Bochs takes, and the fastest

# Without an X server the screen is served by RFB on a free port, without waiting for a viewer. No VBE then: RFB's screen
# has at most 8 bits a pixel, and GRUB crashes in setting the one mode left (640x480x8) when a multiboot2 header asks for a
# framebuffer. Without VBE it leaves text mode. Power-off is a "panic" in Bochs, and any panic ends the process.
CONFIGURATION = """\
display_library: {screen}
romimage: {rom}
vgaromimage: file={vga_bios}
cpu: model={model}, count={cpus}, ips={ips}, quantum={quantum}, reset_on_triple_fault=0, ignore_bad_msrs={ignore_bad_msrs}{msrs}
vga: extension={graphics}
memory: guest={memory}, host={host_memory}
ata0-master: {drive}
{second_drive}boot: {boot}
{console}: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
{com2}clock: sync=none, time0=1700000000
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
port_e9_hack: enabled={port_e9}
"""


def start(config):
    """Start a machine in Bochs."""
    for needed in (BIOS, VGA_BIOS, *([OVMF] if config.firmware == "uefi" else [])):
        if not needed.exists():
            raise LabError(f"{needed} is missing: run tools/setup")
    if not shutil.which(PROGRAM):
        raise LabError(f"{PROGRAM} is not installed: run tools/setup")
    listener, port = listen()
    second, second_port = listen() if config.com2 else (None, None)
    return Running(command_words(config, port, second_port), listener, config.directory, second, config.terminal)


def command_words(config, port, second_port=None):
    """Bochs' command, and the files that it reads."""
    rc = config.directory / "bochsrc"
    rc.write_text(configuration(config, port, second_port))
    commands = config.directory / "debugger.rc"  # Debian's Bochs has its debugger built in, which waits at a prompt
    commands.write_text("".join(f"{command}\n" for command in config.debugger))
    display = ["env", f"DISPLAY={config.display}"] if config.display else []
    return [*display, config.program or PROGRAM, "-q", "-f", rc, "-rc", commands]


def configuration(config, port, second_port=None):
    """The bochsrc of a machine."""
    return CONFIGURATION.format(
        screen="x" if config.display else 'rfb, options="timeout=0"', graphics="vbe" if config.display else "none", rom=rom(config), vga_bios=VGA_BIOS, model=config.model or DEFAULT_MODEL, cpus=config.cpus, ips=config.ips,
        quantum=QUANTUM, ignore_bad_msrs=int(config.ignore_bad_msrs), msrs=more_msrs(config), memory=config.memory,
        host_memory=min(config.memory, HOST_MEMORY_MAX), drive=drive(config), second_drive=second_drive(config), boot="disk" if config.disk else "cdrom", port=port,
        console="com1" if config.com1 else "com1: enabled=0\ncom2",
        com2=f"com2: enabled=1, mode=socket-client, dev=127.0.0.1:{second_port}\n" if second_port else "",
        log=config.directory / "bochs.log", port_e9=int(config.port_e9))


def rom(config):
    """The firmware, which ends at 4 GiB. OVMF finds no QEMU around it: it has no ACPI tables (lab/acpi_tables.py) and no place for its
    variables but RAM.
    """
    if config.firmware == "bios":
        return f"file={config.bios or BIOS}, options=fastboot"
    return f"file={OVMF}, address={4 * GIB - OVMF.stat().st_size:#x}"


def more_msrs(config):
    """MSRs without any effect: index, type, and the value at reset, reserved and ignored bits in two halves each."""
    if not config.msrs:
        return ""
    target = config.directory / "msrs"
    words = lambda *values: " ".join(f"{value >> 32:08x} {value & 0xffffffff:08x}" for value in values)
    target.write_text("".join(f"{index:x} 0 {words(reset, reserved, 0)}\n" for index, (reset, reserved) in config.msrs.items()))
    return f', msrs="{target}"'


def drive(config):
    """The drive that the machine boots from. The cylinders of a disk are found out from its size."""
    if config.disk:
        return disk(config.disk)
    return f'type=cdrom, path="{config.iso}", status=inserted'


def write_symbols(program, target):
    """The functions and variables of a program in the form that Bochs' debugger reads: an address and a name a line."""
    lines = (line.split() for line in run("nm", "--defined-only", program).splitlines())
    target.write_text("".join(f"{address} {name}\n" for address, _, name in lines))
    return target


def second_drive(config):
    """A line for a further disk, if there is one."""
    return f"ata0-slave: {disk(config.second_disk)}\n" if config.second_disk else ""


def disk(path):
    """A hard disk of a flat file."""
    return f'type=disk, path="{path}", mode=flat, cylinders=0'


def kernel_parameters(ips):
    """What Linux must be told of Bochs, on Plinth and on the bare machine alike, to keep time and not to oversleep.

    CPUID promises the TSC frequency of the real CPU, but the TSC ticks `ips` times a second. And a CPU that waits in MWAIT
    may miss the other CPU's store that should wake it (with 4 CPUs a boot then takes ten times as long), so it waits in HLT.
    """
    return f"tsc_early_khz={ips // 1000} idle=nomwait"


def patched_bios(target, *changes):
    """A copy of Bochs' firmware with byte sequences replaced: machines whose firmware set something up in another way."""
    image = BIOS.read_bytes()
    for old, new in changes:
        if old not in image or len(old) != len(new):
            raise LabError(f"{BIOS} holds no {old.hex()}: is it another version of bochsbios?")
        image = image.replace(old, new)
    target.write_bytes(image)
    return target


def trouble(directory):
    """Why Bochs ended the machine, if it was not switched off: a triple fault for one. None if all was well."""
    log = directory / "bochs.log"
    panics = re.findall(r">>PANIC<< (.*)", log.read_text(errors="replace")) if log.exists() else []
    return next((panic for panic in panics if "power off" not in panic), None)
