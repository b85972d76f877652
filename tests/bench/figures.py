"""What the table compares: goals and the peers' figures.

The peers were measured in the same emulator and on the same CPU model, in instructions of one guest loop; a figure in
brackets was counted in their code. BitVisor and XMHF64 were built from their sources (XMHF64 with -O3).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A row of the table. `name` and `kvm` are what the guest and the KVM client call it, `cpus` the machine it runs on."""

    name: str
    title: str
    goal: int = None
    kvm: str = None
    bitvisor: str = ""
    xmhf: str = ""
    jailhouse: str = ""
    cpus: int = 1
    options: str = ""  # one of VARIANTS: measured on one CPU


# What is measured without them is measured once more with each of these.
PLAIN = "l1d_flush=never verw=off scrub=off"
VARIANTS = ("l1d_flush=never verw=on scrub=on", "l1d_flush=cond verw=on scrub=off", "l1d_flush=always verw=on scrub=on",
            f"{PLAIN} itlb_multihit=on", f"{PLAIN} statistics=off", f"{PLAIN} statistics=histogram",
            f"{PLAIN} trace=on")

MEASURES = (
    Measure("cpuid_0", "CPUID, leaf 0", 80, "cpuid_0", "426", "3698", "(109)"),
    Measure("cpuid_1", "CPUID, leaf 1", None, "cpuid_1"),
    Measure("cpuid_7", "CPUID, leaf 7", None, "cpuid_7"),
    Measure("cpuid_0x40000000", "CPUID, Plinth's leaf"),
    Measure("vmcall_ud", "VMCALL (#UD in Plinth's guest)", 80, "vmcall", "334"),
    Measure("rdmsr_feature_control", "RDMSR of FEATURE_CONTROL", 120, None, "368-422", "3732"),
    Measure("rdmsr_mtrr_def_type", "RDMSR of MTRR_DEF_TYPE", 120, "rdmsr_mtrr_def_type"),
    Measure("rdmsr_apic_base", "RDMSR of APIC_BASE", None, "rdmsr_apic_base"),
    Measure("wrmsr_mtrr_def_type", "WRMSR of MTRR_DEF_TYPE", 120, "wrmsr_mtrr_def_type"),
    Measure("wrmsr_apic_base", "WRMSR of APIC_BASE", 120, "wrmsr_apic_base"),
    Measure("xsetbv", "XSETBV", 140, "xsetbv"),
    Measure("invd", "INVD", None, "invd"),
    Measure("first_touch", "first touch above RAM", 350, "first_touch", "756-920"),
    Measure("lapic_read", "LAPIC read", None, "lapic_read"),
    Measure("lapic_write", "LAPIC write", None, "lapic_write"),
    Measure("self_ipi", "IPI to self until its handler", None, "self_ipi", "455"),
    Measure("lapic_write", "LAPIC write while trapped", 1500, None, "16048", "7505", cpus=2),
    Measure("self_ipi", "IPI to self while trapped", None, None, "", "7526", cpus=2),
    Measure("first_sipi", "SIPI until the CPU's first instruction", cpus=2),
    Measure("lapic_write_started", "LAPIC write after all CPUs started", cpus=2),
    Measure("self_ipi_started", "IPI to self after all CPUs started", cpus=2),
    Measure("sipi_started", "SIPI at a restart", cpus=2),
    Measure("cpuid_0", "CPUID with VERW and register scrub", 95, options=VARIANTS[0]),
    Measure("rdmsr_feature_control", "RDMSR, the same", options=VARIANTS[0]),
    Measure("cpuid_0", "CPUID with l1d_flush=cond and VERW", options=VARIANTS[1]),
    Measure("first_touch", "first touch, the same", options=VARIANTS[1]),
    Measure("cpuid_0", "CPUID with l1d_flush=always", options=VARIANTS[2]),
    Measure("first_execute", "first execution in 2 MiB, which splits it (itlb_multihit=on)", options=VARIANTS[3]),
    Measure("cpuid_0", "CPUID with statistics=off", 77, options=VARIANTS[4]),
    Measure("rdmsr_feature_control", "RDMSR, the same", options=VARIANTS[4]),
    Measure("cpuid_0", "CPUID with statistics=histogram", 80, options=VARIANTS[5]),
    Measure("rdmsr_feature_control", "RDMSR, the same", 120, options=VARIANTS[5]),
    Measure("first_touch", "first touch, the same", 350, options=VARIANTS[5]),
    Measure("cpuid_0", "CPUID with trace=on", options=VARIANTS[6]),
)

# Of the whole: (what, goal, BitVisor, XMHF64)
WHOLE = {
    "entry": ("multiboot entry to the guest's, ticks", 10_000_000, "70.8M-511M", "527M"),
    "block": ("memory taken, KiB", 4096, "135066", "217088"),
    "image": ("image, stripped, bytes", 256_000, "611k-3.3M", ""),
    "lines": ("lines of C without comments and blanks", 8000, "38041", "18952"),
}
