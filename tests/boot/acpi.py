"""Damage to the firmware's ACPI tables, done by GRUB before it starts Plinth. The tables lie in RAM, so GRUB can write to them."""

CHECKSUM = 9  # offset of the checksum in every table's header (ACPI 6.5, table 5.4)


def change(report, table, changes, balance=False):
    """GRUB commands that change bytes (offset: value) of a table that `report`, of the same machine, has seen."""
    address = report.table_address(table)
    if balance:
        changes = {**changes, CHECKSUM: balanced(report.madt, changes)}
    return ["insmod memrw", *(f"write_byte {address + offset:#x} {value:#x}" for offset, value in changes.items())]


def balanced(content, changes):
    """The checksum that a table has to have after the changes."""
    difference = sum(value - content[offset] for offset, value in changes.items())
    return (content[CHECKSUM] - difference) & 0xFF
