"""The boot tests as data. Messages are regular expressions: a change of Plinth's wording is a change here only."""

from dataclasses import dataclass, field

STOPPED = r"Plinth stops here"

# What the boot itself must print, whatever the guest.
BOOT_LINES = (
    r"^Plinth \d+\.\d+, loaded by GRUB",
    r"Plinth's block at \S+, \d+ KiB",
    r"Guest: entered \d+ ticks after the multiboot entry",
)
# What must never be seen in a boot that works.
FORBIDDEN_LINES = (r"^(plinth: )?error:", r"^(plinth: )?warning:", r"Kernel panic", r"Oops", r"BUG:", r"Call Trace:.*plinth")

FOOTPRINT_KIB = 4096  # for two CPUs
FOOTPRINT_KIB_PER_CPU = 64
LAUNCH_TICKS = 10_000_000  # with two CPUs at ips=50000000


BOOT_TICKS_RATIO = 1.01  # guest boot ticks, on Plinth against the bare machine: of Plinth's own part, which is exact
BOOT_NOISE_RATIO = 1.03  # of one whole boot: on the bare machine one took 1487M ticks, others 1525M


@dataclass(frozen=True)
class ExitBudget:
    """The most exits for a reason (SDM volume 3, appendix C) in a whole boot of a Debian guest with 2 CPUs, and why they must be."""

    reason: int
    most: int
    why: str


EXIT_BUDGET = (
    ExitBudget(10, 3000, "CPUID: always exits; Linux asks about 700 times a CPU, the report's own readings are in it"),
    ExitBudget(55, 1, "XSETBV: always exits; Linux sets XCR0 once on the boot CPU"),
    ExitBudget(28, 2, "CR0.NE, which VMX fixes to 1: each CPU sets it once on its way out of real mode"),
    ExitBudget(31, 150, "RDMSR of the listed MSRs: MTRRs on each CPU, FEATURE_CONTROL"),
    ExitBudget(32, 10, "WRMSR of the listed MSRs: MTRR_DEF_TYPE, microcode"),
    ExitBudget(48, 900, "ap_start=icr (Bochs): stores to the local APIC until the last CPU runs, and the first one after that"),
    ExitBudget(0, 900, "... each of the others ends in one single step"),
)


@dataclass(frozen=True)
class Debian:
    """Debian's kernel boots, runs the script of tests/initramfs, and powers off, without a warning that its bare boot lacks."""

    name: str
    cpus: int = 2
    memory: int = 512  # MiB
    flavour: str = "cloud"
    model: str = "corei7_skylake_x"
    options: str = ""
    script: str = "report"
    seconds: int = 240


# The longest first: two run at a time.
DEBIAN = (
    Debian("generic-kernel", flavour="generic", seconds=400),
    Debian("four-cpus", cpus=4, seconds=400),
    Debian("two-cpus", script="budget", options="console=com1,passthrough"),
    Debian("memory-3072", memory=3072),
    Debian("memory-256", memory=256, options="statistics=histogram"),
    Debian("one-cpu", cpus=1),
)


FIRST_ENTRY = 44  # a MADT's first entry (ACPI 6.5, table 5.19)


@dataclass(frozen=True)
class Refusal:
    """Plinth stops with a message. `build` names a function of machines.py that makes the boot entry and the machine."""

    name: str
    message: str
    build: str
    arguments: dict = field(default_factory=dict)


REFUSALS = (
    Refusal("no-module", r"no module: give GRUB a module2 line", "qemu", {"modules": []}),
    Refusal("no-vmx", r"VT-x: this CPU has none .*: use an Intel CPU with VT-x", "qemu"),
    Refusal("madt-checksum", r"ACPI: MADT at \S+ has checksum \S+, want 0: ", "broken_table", {"table": "APIC", "changes": {9: 0x5A}}),
    Refusal("madt-length", r"ACPI: MADT at \S+ has length", "broken_table", {"table": "APIC", "changes": {7: 1}}),
    Refusal("madt-entry-length", r"ACPI: MADT at \S+: the entry at offset 0x2c, type 0, has length 1,", "broken_table",
            {"table": "APIC", "changes": {FIRST_ENTRY + 1: 1}, "balance": True}),
    Refusal("rsdt-checksum", r"ACPI: RSDT at \S+ has checksum \S+, want 0: ", "broken_table", {"table": "RSDT", "changes": {9: 0x5A}}),
    Refusal("rsdt-length", r"ACPI: RSDT at \S+ has length", "broken_table", {"table": "RSDT", "changes": {7: 1}}),
    Refusal("no-rsdp", r"ACPI: .*RSDP", "no_rsdp"),
    Refusal("vmx-locked-off", r"VT-x: locked off by the firmware .*: enable", "locked_off"),
    Refusal("no-ept", r"VT-x: this CPU has no EPT", "bochs", {"model": "core2_penryn_t9600"}),
    Refusal("no-unrestricted-guest", r"VT-x: this CPU has EPT but no unrestricted guest", "bochs", {"model": "corei5_lynnfield_750"}),
    Refusal("not-a-kernel", r"first module is .* \(it begins [0-9a-f ]+\): Plinth starts Linux bzImage and multiboot kernels", "not_a_kernel"),
    Refusal("truncated-kernel", r"the kernel file has \d+ bytes, but its header .* promises \d+: the file is truncated", "truncated_kernel"),
    Refusal("initrd-too-big", r"the initrd \(\d+ KiB\) does not fit into RAM", "big_initrd"),
    Refusal("too-little-memory", r"(memory|RAM)", "bochs", {"memory": 32}),
)


# All of the test guest's tests that one run can hold, but for those that send an INIT to a CPU that runs.
GUEST_TESTS = ("test=boot,smp,cpuid,prefix,step,vmx,xsetbv,msr,msrs,mtrr,control,debug,vectors,event,legacy,pae,time,task,taskfault,edge,features,flush,keys,"
               "quiet,rewrite,random,touch,x2apic,apicoff")


# IA32_SPEC_CTRL, IA32_MISC_ENABLE, IA32_PERF_GLOBAL_CTRL, IA32_PEBS_ENABLE: the emulator's only hold what is written
MORE_MSRS = {0x48: (0, ~0xF & 2**64 - 1), 0x1A0: (0x850089, 0), 0x38F: (0xF, ~0x70000000F & 2**64 - 1), 0x3F1: (0, ~0xF & 2**64 - 1)}


@dataclass(frozen=True)
class Guest:
    """A run of the test guest; `words` are its command line."""

    name: str
    cpus: int = 2
    model: str = "corei7_skylake_x"
    words: str = GUEST_TESTS
    options: str = ""
    seconds: int = 120
    ignore_bad_msrs: bool = False  # what the emulator does with MSRs that it doesn't have: True reads 0, drops writes
    msrs: dict = None  # MSRs that it is told to have (lab/machine.py)


GUEST = (
    Guest("four-cpus", cpus=4),
    Guest("two-cpus"),
    Guest("one-cpu", cpus=1),
    # the emulated UART against the emulator's; without flushes exits are quicker than characters, as on the bare machine
    Guest("shared-uart", cpus=1, words="test=uart,strings", options="console=com1,mux l1d_flush=never"),
    Guest("tigerlake", model="tigerlake"),
    Guest("arrandale", model="corei5_arrandale_m520"),
    # what is done against side channels changes nothing that the guest sees, and is done as often as it should
    Guest("no-mitigations", cpus=1, words="test=flush", options="l1d_flush=never verw=off scrub=off"),
    Guest("l1d-cond", cpus=1, words="test=flush", options="l1d_flush=cond"),
    Guest("all-mitigations", words="test=boot,smp,cpuid,step,vmx,xsetbv,msr,vectors,event,random,flush",
          options="l1d_flush=always verw=on scrub=on itlb_multihit=on"),
    # IA32_PEBS_ENABLE can be written, so that the MSR-load areas of exits and entries are in use
    Guest("unknown-msrs", cpus=1, words="test=msr,step", ignore_bad_msrs=True, msrs=MORE_MSRS),
    # Bochs can't let an INIT through to a CPU that runs (docs/testing.md): the trap must still be there
    Guest("restart", words="test=restart,x2restart", options="ap_start=icr-always"),
)


@dataclass(frozen=True)
class Protocol:
    """The test guest with the header of another boot protocol: what lies behind `header_end` is no field and reads as 0xff in the file."""

    name: str
    version: int
    header_end: int  # offset in the file
    loaded_at: int  # by Plinth; 0 means "by its kernel_alignment"
    changes: dict = field(default_factory=dict)  # bytes of the header, {offset: value}


RELOCATABLE_KERNEL = 0x234
PROTOCOL = (Protocol("2.04", 0x204, 0x230, 0x100000),)
# The same for `make test-full`.
PROTOCOL_MORE = (
    Protocol("2.05", 0x205, 0x235, 0),
    Protocol("2.06", 0x206, 0x23C, 0),
    Protocol("2.07", 0x207, 0x248, 0),
    Protocol("2.08", 0x208, 0x250, 0),
    Protocol("2.09", 0x209, 0x258, 0),
    Protocol("2.10", 0x20A, 0x264, 0x1000000),
    Protocol("2.11", 0x20B, 0x268, 0x1000000),
    Protocol("2.09-fixed", 0x209, 0x258, 0x100000, {RELOCATABLE_KERNEL: 0}),
    Protocol("2.12-fixed", 0x20C, 0x268, 0x1000000, {RELOCATABLE_KERNEL: 0}),
)


@dataclass(frozen=True)
class Random:
    """A run of the random guest: `steps` a CPU. A step is five exits and about as many random instructions, on average."""

    name: str
    cpus: int
    seed: int
    steps: int
    seconds: int = 300

    @property
    def exits(self):
        """What it must come to at least."""
        return self.steps * self.cpus * 4


# 10^6 exits in all
RANDOM = (
    Random("four-cpus", cpus=4, seed=1, steps=25_000),
    Random("one-cpu", cpus=1, seed=2, steps=100_000),
)

# 10^8 random instructions in all. Not seed 206 on four CPUs: Bochs ends with "failed assertion "! i->getEvexb()" at
# decoder/fetchdecode32.cc" on its random bytes, on the bare machine too.
SOAK_SEEDS = [seed for seed in range(200, 211) if seed != 206]
RANDOM_SOAK = (
    *(Random(f"one-cpu-{seed}", cpus=1, seed=seed, steps=1_000_000, seconds=1800) for seed in range(100, 110)),
    *(Random(f"four-cpus-{seed}", cpus=4, seed=seed, steps=250_000, seconds=1800) for seed in SOAK_SEEDS),
)


VIRT_BASE = 0xFFFFFFFF80000000  # where the block is mapped (arch/x86/layout.h)
BLOCK = range(0x7A00000, 0x7C00000)  # where it lies in a machine of 128 MiB with the test guest
STACK_BOTTOM, STACK_TOP = 0xFFFFFFFFC0001000, 0xFFFFFFFFC0004000  # CPU 0's main stack
NON_CANONICAL = 0x1000000000000000


@dataclass(frozen=True)
class Fault:
    """A fault of Plinth's own, planted by the emulator's debugger: {name} is a symbol's address, {name_physical} the same in RAM."""

    name: str
    vector: int
    plant: tuple  # commands, with the CPU at the start of vmm_exit() in an exit; RSI is its argument
    report: tuple = ()  # what else the report says
    before: tuple = ()  # commands before the first start
    after: tuple = ("c",)


FAULTS = (
    Fault("general-protection", 13, (f"set rsi = {NON_CANONICAL:#x}",), ("error code 0,", f"rsi {NON_CANONICAL:016x}")),
    Fault("page-fault", 14, ("set rsi = 0x1000",), ("rsi 0+1000 ", "cr2 1[0-9a-f]{3} ")),
    Fault("stack-overflow", 8, (f"set rsp = {STACK_BOTTOM + 8:#x}",), (f"cr2 {STACK_BOTTOM - 8:x} ",)),
    # the gate of #GP is made not present: #NP in delivering it
    Fault("double-fault", 8, ("setpmem {idt_physical}+13*16+5 1 0x0e", f"set rsi = {NON_CANONICAL:#x}")),
    # Bochs has no machine checks: INT 18 in the place of the next instruction comes the same way
    Fault("machine-check", 18, ("setpmem {vmm_exit_physical} 2 0x12cd",)),
    # a second fault, on the first one's way through its report
    Fault("fault-in-report", 13, (f"set rsi = {NON_CANONICAL:#x}",), before=("lb {virt_dump}",),
          after=("c", f"set rsp = {NON_CANONICAL:#x}", "c")),
)


@dataclass(frozen=True)
class Odd:
    """A machine with a flaw that Plinth gets along with: it says so, and the guest starts."""

    name: str
    message: str
    build: str


ODD = (
    Odd("absent-cpu", r"cpu with APIC ID 7 doesn't answer INIT-SIPI-SIPI: left out", "absent_cpu"),
    Odd("vmx-unlocked", r"CPUs: 2 of 2 started, VMX on each", "unlocked"),
    Odd("unknown-option", r"warning: .*colour=blue", "unknown_option"),
)


@dataclass(frozen=True)
class Multiboot:
    """A kernel of tests/multiboot, started by GRUB and by Plinth."""

    name: str
    kernel: str


MULTIBOOT = (
    Multiboot("elf32", "multiboot1-elf32"),
    Multiboot("relocatable", "multiboot2-relocatable"),
)
# The same for `make test-full`.
MULTIBOOT_MORE = (
    Multiboot("elf64", "multiboot1-elf64"),
    Multiboot("flat", "multiboot1-flat"),
    Multiboot("elf32-2", "multiboot2-elf32"),
    Multiboot("elf64-2", "multiboot2-elf64"),
    Multiboot("flat-2", "multiboot2-flat"),
)


@dataclass(frozen=True)
class Planted:
    """A bad value in a VMCS field before the first entry: the CPU refuses it as `failure` says, and Plinth names the field."""

    field: str
    value: str
    failure: str
    rule: str


PLANTED = (
    Planted("CR3_TARGET_COUNT", "5", r"VM entry failed with instruction error 7: ", r"more CR3 targets .* 26\.2\.1\.1"),
    Planted("HOST_CS_SELECTOR", "0", r"VM entry failed with instruction error 8: ", r"must not be 0 .* 26\.2\.3"),
    Planted("GUEST_TR_ACCESS_RIGHTS", "0x82", r"reason 80000021", r"busy TSS.* 26\.3\.1\.2"),
)


@dataclass(frozen=True)
class End:
    """A bad end that is no exception of Plinth's own, planted by plant_NAME() of plant_end.c, or the guest's doing."""

    name: str
    sentence: str
    more: str  # what else the report says
    words: str = "test=boot,hang"


ENDS = (
    End("exit", r"VM exit \"HLT\" \(reason c, qualification 0\) that Plinth has no answer to", r"EXIT_REASON +c$", words="test=boot,quiet"),
    End("misconfiguration", r"VM exit \"EPT_MISCONFIGURATION\" \(reason 31, ", r"EPT: the entry for \w+ is \w+[26]$"),
    End("panic", r"VMWRITE of 1 to field 7ffe failed: ", r"guest: rip 1000000 rsp 0 "),
    End("triple", r"triple fault in the guest, at which the machine would reset$", r"EXIT_REASON +2$", words="test=triple"),
)
