"""ACPI tables for UEFI in Bochs: outside QEMU OVMF has none of its own, so GRUB's `acpi` command loads these (ACPI 6.5, 5.2)."""

import struct

from .image import Entry

OEM = b"BOCHS "  # as in the tables of Bochs' BIOS: the machine is the same
PM_BASE = 0xB000  # where OVMF puts the PIIX4's power management (registers at +0, +4, +8)
SCI = 9
IO_APIC = 0xFEC00000
LOCAL_APIC = 0xFEE00000
HEADER = "<4sIBB6s8sI4sI"

# Name(\_S5, Package{0, 0, 0, 0}): the value that switches a PIIX4 off
S5 = bytes.fromhex("08 5f53355f 12 06 04 00 00 00 00")


def table(signature, revision, body):
    """A table with its header and its checksum."""
    size = struct.calcsize(HEADER) + len(body)
    header = struct.pack(HEADER, signature, size, revision, 0, OEM, b"PLINTH" + signature[:2], 1, b"LAB ", 1)
    checksum = -sum(header + body) & 0xFF
    return header[:9] + bytes([checksum]) + header[10:] + body


def fixed():
    """The FADT (version 1): a PIIX4. GRUB writes the DSDT's address into it."""
    addresses = struct.pack("<8I", PM_BASE, 0, PM_BASE + 4, 0, 0, PM_BASE + 8, 0, 0)
    lengths = bytes([4, 2, 0, 4, 0, 0, 0, 0])
    return table(b"FACP", 1, struct.pack("<IIBBHIBBBB", 0, 0, 1, 0, SCI, 0xB2, 0xF1, 0xF0, 0, 0) + addresses + lengths +
                 struct.pack("<HHHHBBBBBHBI", 0xFFF, 0xFFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x75))


def interrupts(cpus):
    """The MADT: the CPUs, an I/O APIC, and what of ISA's interrupts is not where it was."""
    local = b"".join(struct.pack("<BBBBI", 0, 8, number, number, 1) for number in range(cpus))
    io = struct.pack("<BBBBII", 1, 12, cpus, 0, IO_APIC, 0)
    timer = struct.pack("<BBBBIH", 2, 10, 0, 0, 2, 0)
    sci = struct.pack("<BBBBIH", 2, 10, 0, SCI, SCI, 0x0D)  # active high, level
    return table(b"APIC", 1, struct.pack("<II", LOCAL_APIC, 1) + local + io + timer + sci)


def write(directory, cpus):
    """Write the tables; {name: path}."""
    tables = {"FACP": fixed(), "APIC": interrupts(cpus), "DSDT": table(b"DSDT", 1, S5)}
    for name, content in tables.items():
        (directory / f"{name}.aml").write_bytes(content)
    return {name: directory / f"{name}.aml" for name in tables}


def given(entry, directory, cpus):
    """A GRUB entry that loads them first."""
    tables = write(directory, cpus)
    files = {f"acpi/{name}": path for name, path in tables.items()}
    command = f"acpi --oemid='{OEM.decode()}' " + " ".join(f"/{name}" for name in files)
    return Entry([command, *entry.commands], {**entry.files, **files})
