"""What a guest's report says (tests/initramfs/report), as Python values."""

import re
from dataclasses import dataclass, field


@dataclass
class Report:
    """The lines of one report, sorted out."""

    cpus: list = field(default_factory=list)  # the numbers in /proc/cpuinfo
    memory_kib: int = 0
    stats: list = field(default_factory=list)  # plinth-stat's line of each CPU
    buckets: list = field(default_factory=list)  # of the histograms of exits, with statistics=histogram
    exits: list = field(default_factory=list)  # one a CPU (or "all") and reason
    dmesg: list = field(default_factory=list)  # (level, text without its time)
    madt: bytes = b""
    tsc: dict = field(default_factory=dict)  # the time stamp counter at named moments
    readings: dict = field(default_factory=dict)  # the counters of all CPUs at named moments: {reason: exits}
    complete: bool = False

    def table_address(self, signature):
        """Where the kernel found an ACPI table."""
        for _, text in self.dmesg:
            match = re.match(rf"ACPI: {signature} (0x[0-9A-F]+) ", text)
            if match:
                return int(match[1], 16)
        raise KeyError(f"the kernel's log names no {signature}")

    @property
    def ticks(self):
        """Ticks spent in all exits."""
        return sum(int(line["ticks"]) for line in self.exits if line["cpu"] == "all")

    def exits_of(self, reason, cpu="all"):
        """How often the guest left for a reason."""
        return sum(int(line["exits"]) for line in self.exits if line["cpu"] == cpu and line["reason"] == str(reason))


def parse(text):
    """The report in a console's text."""
    report = Report()
    for line in text.splitlines():
        kind, _, rest = line.partition(": ")
        if kind in READERS:
            READERS[kind](report, rest)
    return report


def words(rest):
    """`a=1 b=2 name=with blanks` as a dictionary; the last value goes to the end of the line."""
    return dict(re.findall(r"(\w+)=(.*?)(?=\s\w+=|$)", rest))


def read_dmesg(report, rest):
    """A raw line of the kernel's log: <level>[time] text. The level's upper bits are the facility."""
    match = re.match(r"<(\d+)>\[ *[\d.]+\] ?(.*)", rest)
    if match:
        report.dmesg.append((int(match[1]) & 7, match[2]))


def reader_of(moment):
    """Reads the counters of a moment."""

    def read(report, rest):
        line = words(rest)
        if line["cpu"] == "all":
            report.readings.setdefault(moment, {})[int(line["reason"])] = int(line["exits"])

    return read


READERS = {
    "cpuinfo": lambda report, rest: report.cpus.append(int(rest.split("=")[1].strip(" :\t"))),
    "meminfo": lambda report, rest: setattr(report, "memory_kib", int(rest.split()[0])),
    "stat": lambda report, rest: report.stats.append(words(rest)),
    "exit": lambda report, rest: report.exits.append(words(rest)),
    "bucket": lambda report, rest: report.buckets.append(words(rest)),
    "exit-booted": reader_of("booted"),
    "exit-idle": reader_of("idle"),
    "exit-busy": reader_of("busy"),
    "dmesg": read_dmesg,
    "tsc": lambda report, rest: report.tsc.update({name: int(value) for name, value in words(rest).items()}),
    "madt": lambda report, rest: setattr(report, "madt", bytes.fromhex(rest)),
    "report": lambda report, rest: setattr(report, "complete", rest == "complete"),
}


WARNING = 4  # the kernel's level of warnings; smaller numbers are worse


def troubles(report):
    """The kernel's warnings and errors, with all numbers blotted out, so that two boots can be compared.

    The code bytes of a trace are left out: they hold addresses, and the kernel picks a new one at each boot.
    """
    return [blot(text) for level, text in report.dmesg if level <= WARNING and not text.startswith("Code: ")]


def blot(text):
    """Numbers differ from boot to boot, and so do the registers of a trace."""
    return re.sub(r"\b(0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*\b", "#", text)


def exit_table(report, cpus):
    """The exits of a boot by reason, for people."""
    lines = [f"{'exit reason':28} {'exits':>10} {'ticks each':>10}" + "".join(f"{'CPU ' + str(cpu):>10}" for cpu in range(cpus))]
    for line in report.exits:
        if line["cpu"] == "all":
            each = int(line["ticks"]) // int(line["exits"])
            per_cpu = "".join(f"{report.exits_of(line['reason'], str(cpu)):10}" for cpu in range(cpus))
            lines.append(f"{line['name']:28} {line['exits']:>10} {each:10}{per_cpu}")
    return "\n".join(lines)
