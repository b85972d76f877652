/*
 * A small user of Linux's KVM, to have something to compare Plinth with: one virtual CPU in long mode that runs the
 * loops of tests/guest/test_bench.c, in the same emulator. Prints the same lines. Runs as a program of the machine that
 * tests/bench/run boots; needs /dev/kvm.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The guest's memory. Its text and tables lie below, the pages to touch above. */
enum { TABLES = 0x1000, GDT = 0x5000, IDT = 0x6000, STACK = 0x9000, RESULTS = 0xa000, TEXT = 0x10000 };
enum { LOW_SIZE = 0x40000, TOUCHED = 0x200000, ROUNDS = 128, PAGE = 4096 };
enum { EXIT_PORT = 0x10, IPI_VECTOR = 0x60, SELECTOR_CODE = 8, SELECTOR_DATA = 16 };

/*
 * The guest, position-independent. Each routine times ROUNDS rounds without the instruction and as many with it, puts
 * both times into RESULTS, and ends with an OUT. R14 steps through pages.
 */
__asm__(".section .rodata\n"
        ".set ROUNDS, 128\n"
        ".set RESULTS, 0xa000\n"
        ".macro MEASURE name, setup, instruction, end=rdtsc\n"
        "guest_\\name:\n"
        "    movl $ROUNDS, %r12d\n"
        "    movl $RESULTS, %r13d\n"
        "1:  rdtsc\n"
        "    movl %eax, %esi\n"
        "    \\setup\n"
        "    rdtsc\n"
        "    subl %esi, %eax\n"
        "    movl %eax, (%r13)\n"
        "    rdtsc\n"
        "    movl %eax, %esi\n"
        "    \\setup\n"
        "    \\instruction\n"
        "    \\end\n"
        "    subl %esi, %eax\n"
        "    movl %eax, 4(%r13)\n"
        "    addl $8, %r13d\n"
        "    addl $4096, %r14d\n"
        "    decl %r12d\n"
        "    jnz 1b\n"
        "    outb %al, $0x10\n"
        ".endm\n"
        ".balign 16\n"
        "guest_text:\n"
        "MEASURE nothing, , \n"
        "MEASURE cpuid_0, \"movl $0, %eax; xorl %ecx, %ecx\", cpuid\n"
        "MEASURE cpuid_1, \"movl $1, %eax; xorl %ecx, %ecx\", cpuid\n"
        "MEASURE cpuid_7, \"movl $7, %eax; xorl %ecx, %ecx\", cpuid\n"
        "MEASURE rdmsr_apic_base, \"movl $0x1b, %ecx\", rdmsr\n"
        "MEASURE rdmsr_mtrr_def_type, \"movl $0x2ff, %ecx\", rdmsr\n"
        "MEASURE wrmsr_mtrr_def_type, \"movl $0x2ff, %ecx; movl $0xc06, %eax; xorl %edx, %edx\", wrmsr\n"
        "MEASURE wrmsr_apic_base, \"movl $0x1b, %ecx; movl $0xfee00900, %eax; xorl %edx, %edx\", wrmsr\n"
        "MEASURE xsetbv, \"xorl %ecx, %ecx; movl $1, %eax; xorl %edx, %edx\", xsetbv\n"
        "MEASURE vmcall, \"movl $0x1234, %eax\", vmcall\n"
        "MEASURE invd, , invd\n"
        "MEASURE lapic_read, \"movl $0xfee00080, %edi\", \"movl (%rdi), %eax\"\n"
        "MEASURE lapic_write, \"movl $0xfee00080, %edi; xorl %eax, %eax\", \"movl %eax, (%rdi)\"\n"
        "MEASURE self_ipi, \"movl $0xfee00300, %edi; movl $0x44060, %r8d; xorl %r9d, %r9d; sti\","
        " \"movl %r8d, (%rdi); 2: testl %r9d, %r9d; jz 2b; cli\", \"movl %r8d, %eax\"\n"
        "MEASURE first_touch, \"movl %r14d, %edi\", \"movl (%rdi), %eax\"\n"
        "guest_enable_apic:\n"
        "    movl $0xfee000f0, %edi\n"
        "    movl $0x1ff, (%rdi)\n"
        "    outb %al, $0x10\n"
        "guest_ipi:\n"
        "    rdtsc\n"
        "    movl %eax, %r8d\n"
        "    movl $0xfee000b0, %ecx\n"
        "    movl $0, (%rcx)\n"
        "    movl $1, %r9d\n"
        "    iretq\n"
        "guest_end:\n"
        ".text\n");

#define GUEST(name) extern const uint8_t guest_##name[]
GUEST(text);
GUEST(end);
GUEST(ipi);
GUEST(enable_apic);
GUEST(nothing);
GUEST(cpuid_0);
GUEST(cpuid_1);
GUEST(cpuid_7);
GUEST(rdmsr_apic_base);
GUEST(rdmsr_mtrr_def_type);
GUEST(wrmsr_mtrr_def_type);
GUEST(wrmsr_apic_base);
GUEST(xsetbv);
GUEST(vmcall);
GUEST(invd);
GUEST(lapic_read);
GUEST(lapic_write);
GUEST(self_ipi);
GUEST(first_touch);

static int machine, vcpu;
static struct kvm_run *run;
static uint8_t *memory;
static bool has_xsave; /* Linux switches XSAVE off where the CPU's report of its layout makes no sense to it */

static int check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

/* Pages that the host has (`present`), or that it has yet to give. Small pages: a first touch is of one of them. */
static uint8_t *add_memory(uint32_t slot, uint64_t address, size_t size, bool present)
{
    uint8_t *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {
        .slot = slot, .guest_phys_addr = address, .memory_size = size, .userspace_addr = (uintptr_t)host};

    check(host == MAP_FAILED ? -1 : 0, "mmap");
    madvise(host, size, MADV_NOHUGEPAGE);
    if (present)
        memset(host, 1, size);
    check(ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    return host;
}

/* The first GiB and the fourth, with the local APIC, uncached; identity-mapped by 2 MiB pages. */
static void make_page_tables(void)
{
    uint64_t *table = (uint64_t *)(memory + TABLES);

    table[0] = (TABLES + PAGE) | 3;
    table[512] = (uint64_t)(TABLES + 2 * PAGE) | 3;
    table[512 + 3] = (uint64_t)(TABLES + 3 * PAGE) | 3;
    for (uint64_t i = 0; i < 512; i++) {
        table[1024 + i] = i << 21 | 0x83;
        table[1536 + i] = (3ull << 30 | i << 21) | 0x9b; /* PCD, PWT */
    }
}

static void make_gate(unsigned vector, uint64_t handler)
{
    uint64_t *gate = (uint64_t *)(memory + IDT) + 2 * vector;

    gate[0] = (handler & 0xffff) | SELECTOR_CODE << 16 | 0x8e00ull << 32 | (handler >> 16 & 0xffff) << 48;
    gate[1] = handler >> 32;
}

static uint64_t guest_address(const uint8_t *symbol)
{
    return TEXT + (uint64_t)(symbol - guest_text);
}

static void set_long_mode(void)
{
    const struct kvm_segment code = {
        .limit = ~0u, .selector = SELECTOR_CODE, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    const struct kvm_segment data = {
        .limit = ~0u, .selector = SELECTOR_DATA, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_sregs s;

    check(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    s.cs = code;
    s.ds = s.es = s.ss = s.fs = s.gs = data;
    s.gdt = (struct kvm_dtable){.base = GDT, .limit = 23};
    s.idt = (struct kvm_dtable){.base = IDT, .limit = 16 * 256 - 1};
    s.cr0 = 0x80050033;
    s.cr3 = TABLES;
    s.cr4 = has_xsave ? 0x40620 : 0x620; /* OSXSAVE, OSXMMEXCPT, OSFXSR, PAE */
    s.efer = 0x500;                      /* LMA, LME */
    check(ioctl(vcpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
}

static void set_cpuid(int kvm)
{
    enum { ENTRIES = 128 };
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES * sizeof(struct kvm_cpuid_entry2));

    cpuid->nent = ENTRIES;
    check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
    check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
    for (unsigned i = 0; i < cpuid->nent; i++)
        has_xsave |= cpuid->entries[i].function == 1 && cpuid->entries[i].ecx & 1u << 26;
    free(cpuid);
}

static void create(void)
{
    static const uint64_t gdt[3] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

    machine = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    check(ioctl(machine, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
    check(ioctl(machine, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
    memory = add_memory(0, 0, LOW_SIZE, true);
    vcpu = check(ioctl(machine, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    check(run == MAP_FAILED ? -1 : 0, "mmap of the vCPU");
    memcpy(memory + GDT, gdt, sizeof(gdt));
    memcpy(memory + TEXT, guest_text, (size_t)(guest_end - guest_text));
    make_page_tables();
    make_gate(IPI_VECTOR, guest_address(guest_ipi));
    set_cpuid(kvm);
    set_long_mode();
}

/* Runs a routine to its OUT. False, and the reason on the console, if it ends in another way. */
static bool run_guest(const char *name, const uint8_t *routine, uint64_t r14)
{
    struct kvm_regs registers = {.rip = guest_address(routine), .rsp = STACK, .rflags = 2, .r14 = r14};

    check(ioctl(vcpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
    for (;;) {
        check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
        if (run->exit_reason == KVM_EXIT_IO && run->io.port == EXIT_PORT)
            return true;
        if (run->exit_reason == KVM_EXIT_INTR)
            continue;
        printf("~ bench: measure=%s failed: KVM exit reason %u\n", name, run->exit_reason);
        return false;
    }
}

static void print(const char *name)
{
    const uint32_t *result = (const uint32_t *)(memory + RESULTS);
    uint32_t own = ~0u, least = ~0u, most = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < ROUNDS; i++, result += 2) {
        own = result[0] < own ? result[0] : own;
        least = result[1] < least ? result[1] : least;
        most = result[1] > most ? result[1] : most;
        sum += result[1];
    }
    printf("~ bench: measure=%s least=%u average=%u most=%u rounds=%u own=%u\n", name, least - own,
           (uint32_t)(sum / ROUNDS) - own, most - own, ROUNDS, own);
}

static void measure(const char *name, const uint8_t *routine, uint64_t r14)
{
    if (run_guest(name, routine, r14))
        print(name);
}

int main(void)
{
    static const struct {
        const char *name;
        const uint8_t *routine;
    } routines[] = {
        {"nothing", guest_nothing},
        {"cpuid_0", guest_cpuid_0},
        {"cpuid_1", guest_cpuid_1},
        {"cpuid_7", guest_cpuid_7},
        {"rdmsr_apic_base", guest_rdmsr_apic_base},
        {"rdmsr_mtrr_def_type", guest_rdmsr_mtrr_def_type},
        {"wrmsr_mtrr_def_type", guest_wrmsr_mtrr_def_type},
        {"wrmsr_apic_base", guest_wrmsr_apic_base},
        {"vmcall", guest_vmcall},
        {"invd", guest_invd},
        {"lapic_read", guest_lapic_read},
        {"lapic_write", guest_lapic_write},
        {"self_ipi", guest_self_ipi},
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    create();
    run_guest("enable_apic", guest_enable_apic, 0);
    for (unsigned i = 0; i < sizeof(routines) / sizeof(routines[0]); i++)
        measure(routines[i].name, routines[i].routine, 0);
    if (has_xsave)
        measure("xsetbv", guest_xsetbv, 0);
    add_memory(1, TOUCHED, ROUNDS * PAGE, true);
    measure("first_touch", guest_first_touch, TOUCHED);
    add_memory(2, TOUCHED + ROUNDS * PAGE, ROUNDS * PAGE, false);
    measure("first_touch_unpopulated", guest_first_touch, TOUCHED + ROUNDS * PAGE);
    return 0;
}
