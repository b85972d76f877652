/* From the VMCS's exit information to struct vm_exit (SDM vol. 3, 27.2, appendix C). */
#include "arch/x86/instr.h"
#include "arch/x86/regs.h"
#include "arch/x86/vmx/controls.h"
#include "arch/x86/vmx/events.h"
#include "arch/x86/vmx/exit_reasons.h"
#include "arch/x86/vmx/vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* Table 27-3 "Exit Qualification for Control-Register Accesses" */
enum {
    CR_NUMBER = 0xf,
    CR_TYPE_SHIFT = 4,
    CR_REGISTER_SHIFT = 8,
    CR_LMSW_SHIFT = 16,
    CR_MOV_TO = 0,
    CR_CLTS = 2,
    CR_LMSW = 3,
    REGISTER_RSP = 4
};
/* Table 27-7 "Exit Qualification for EPT Violations" */
enum {
    EPT_DATA_READ = BIT(0),
    EPT_DATA_WRITE = BIT(1),
    EPT_FETCH = BIT(2),
    EPT_LINEAR_VALID = BIT(7),
    EPT_LINEAR_FINAL = BIT(8)
};

static uint64_t guest_cr0(void)
{
    uint64_t mask = vmread_natural(VMCS_CR0_MASK);

    return (vmread_natural(VMCS_GUEST_CR0) & ~mask) | (vmread_natural(VMCS_CR0_SHADOW) & mask);
}

static uint64_t general_register(const struct guest_regs *regs, unsigned number)
{
    const uint64_t *values = &regs->rax;
    uint64_t value;

    if (number == REGISTER_RSP)
        value = vmread_natural(VMCS_GUEST_RSP);
    else
        value = values[number < REGISTER_RSP ? number : number - 1];
    return vcpu_is_64bit() ? value : (uint32_t)value;
}

static bool decode_cr(const struct guest_regs *regs, struct vm_exit *out)
{
    const uint64_t lmsw_bits = 0xf, ts = BIT(3);
    uint32_t q = (uint32_t)out->qualification;

    out->cr.number = q & CR_NUMBER;
    switch (q >> CR_TYPE_SHIFT & 3) {
    case CR_MOV_TO:
        out->cr.value = general_register(regs, q >> CR_REGISTER_SHIFT & 0xf);
        return true;
    case CR_CLTS:
        out->cr.value = guest_cr0() & ~ts;
        return true;
    case CR_LMSW: /* can set PE but not clear it */
        out->cr.value = (guest_cr0() & ~(lmsw_bits & ~CR0_PE)) | (q >> CR_LMSW_SHIFT & lmsw_bits);
        return true;
    }
    return false; /* MOV from a control register: never asked for */
}

static void decode_exception(struct vm_exit *out)
{
    uint32_t info = vmread32(VMCS_EXIT_INTERRUPTION_INFO);

    if ((info & INTERRUPTION_TYPE) == INTERRUPTION_NMI) {
        out->kind = VM_EXIT_NMI;
        vmx_unblock_nmis(); /* 27.5.5: the exit left them blocked, and entries don't unblock them */
        return;
    }
    out->kind = VM_EXIT_EXCEPTION;
}

void vmx_decode_violation(uint32_t reason, struct vm_exit *out)
{
    uint64_t q = vmread_natural(VMCS_EXIT_QUALIFICATION);

    out->kind = VM_EXIT_MEMORY;
    out->reason = reason;
    out->qualification = q;
    out->memory.address = vmread64(VMCS_GUEST_PHYSICAL_ADDRESS);
    out->memory.read = q & EPT_DATA_READ;
    out->memory.write = q & EPT_DATA_WRITE;
    out->memory.execute = q & EPT_FETCH;
    /* 27.2.3: an IRET that ended NMI blocking faulted; it will be executed again */
    if (q & INTERRUPTION_NMI_UNBLOCKING && !(vmread32(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID))
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, vmread32(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
}

bool vcpu_violated_in_walk(const struct vm_exit *exit)
{
    return (exit->qualification & (EPT_LINEAR_VALID | EPT_LINEAR_FINAL)) == EPT_LINEAR_VALID;
}

/* 27.2.1, table 27-2. The instruction's length counts for instructions, software interrupts and INT1 (27.2.5); what
 * other events interrupt goes on at RIP. An event's own information is that of IDT vectoring (25.4.2). */
static void decode_task_switch(struct vm_exit *out)
{
    const unsigned source_shift = 30;
    uint32_t q = (uint32_t)out->qualification, info = vmread32(VMCS_IDT_VECTORING_INFO);
    uint32_t type = info & INTERRUPTION_TYPE;
    bool gate = q >> source_shift == TASK_BY_GATE && info & INTERRUPTION_VALID;
    bool outside =
        gate && (type == INTERRUPTION_EXTERNAL || type == INTERRUPTION_NMI || type == INTERRUPTION_HARDWARE_EXCEPTION);

    out->kind = VM_EXIT_TASK_SWITCH;
    out->task = (struct task_request){
        .source = q >> source_shift,
        .selector = (uint16_t)q,
        .next_eip = (uint32_t)(vmread_natural(VMCS_GUEST_RIP) + (outside ? 0 : vmread32(VMCS_EXIT_INSTRUCTION_LENGTH))),
        .has_error = gate && info & INTERRUPTION_ERROR_CODE,
        .external = outside || (gate && type == INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION),
        .is_nmi = gate && type == INTERRUPTION_NMI,
        .is_exception = gate && type == INTERRUPTION_HARDWARE_EXCEPTION,
        .vector = (uint8_t)info,
    };
    if (out->task.has_error)
        out->task.error = vmread32(VMCS_IDT_VECTORING_ERROR_CODE);
}

/* 26.7.6: on some CPUs the window is open under blocking by STI too. They take an NMI there, which ends that blocking;
 * who waited for the end of it would come back here before the guest's next instruction, again and again. */
static void decode_nmi_window(struct vm_exit *out)
{
    uint32_t blocking = vmread32(VMCS_GUEST_INTERRUPTIBILITY);

    out->kind = VM_EXIT_NMI_WINDOW;
    if (unlikely(blocking & BLOCKING_BY_STI))
        vmwrite32(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint32_t)BLOCKING_BY_STI);
    vmwrite32(VMCS_PRIMARY_CONTROLS, vmread32(VMCS_PRIMARY_CONTROLS) & ~(uint32_t)PRIMARY_NMI_WINDOW_EXITING);
}

/* Table 27-8 "Format of the VM-Exit Instruction-Information Field as Used for INS and OUTS" */
static void decode_string(struct vm_exit *out)
{
    uint32_t info = vmread32(VMCS_EXIT_INSTRUCTION_INFO);

    out->port.repeat = out->qualification & BIT(5);
    if (vmx.capabilities.basic >> BASIC_TELLS_OF_STRINGS_BIT & 1)
        out->port.address_bytes = (uint8_t)(2 << (info >> 7 & 3));
    out->port.segment = info >> 15 & 7;
}

/* Table 27-5 "Exit Qualification for I/O Instructions" */
static void decode_port(struct vm_exit *out)
{
    uint64_t q = out->qualification;

    out->kind = VM_EXIT_PORT;
    out->port.number = (uint16_t)(q >> 16);
    out->port.size = (uint8_t)((q & 7) + 1);
    out->port.in = q & BIT(3);
    out->port.string = q & BIT(4);
    if (unlikely(out->port.string))
        decode_string(out);
}

static enum vm_exit_kind plain_kind(enum exit_reason reason)
{
    switch (reason) {
    case EXIT_TRIPLE_FAULT:
        return VM_EXIT_TRIPLE_FAULT;
    case EXIT_INIT:
        return VM_EXIT_INIT;
    case EXIT_CPUID:
        return VM_EXIT_CPUID;
    case EXIT_PREEMPTION_TIMER:
        return VM_EXIT_POLL;
    case EXIT_MWAIT:
        return VM_EXIT_WAIT;
    case EXIT_INVD:
        return VM_EXIT_INVD;
    case EXIT_VMCALL:
        return VM_EXIT_VMCALL;
    case EXIT_RDMSR:
        return VM_EXIT_MSR_READ;
    case EXIT_WRMSR:
        return VM_EXIT_MSR_WRITE;
    case EXIT_XSETBV:
        return VM_EXIT_XSETBV;
    case EXIT_GETSEC:
    case EXIT_VMCLEAR:
    case EXIT_VMLAUNCH:
    case EXIT_VMPTRLD:
    case EXIT_VMPTRST:
    case EXIT_VMREAD:
    case EXIT_VMRESUME:
    case EXIT_VMWRITE:
    case EXIT_VMXOFF:
    case EXIT_VMXON:
    case EXIT_INVEPT:
    case EXIT_INVVPID:
    case EXIT_VMFUNC:
    case EXIT_SEAMCALL:
    case EXIT_TDCALL:
    case EXIT_RDMSRLIST: /* hidden, with those that follow: a guest that tries them all the same hurts nobody */
    case EXIT_WRMSRLIST:
    case EXIT_URDMSR:
    case EXIT_UWRMSR:
    case EXIT_RDMSR_IMMEDIATE:
    case EXIT_WRMSRNS_IMMEDIATE:
        return VM_EXIT_UNDEFINED;
    case EXIT_EXCEPTION_OR_NMI:
    case EXIT_SIPI:
    case EXIT_NMI_WINDOW:
    case EXIT_CR_ACCESS:
    case EXIT_IO_INSTRUCTION:
    case EXIT_TASK_SWITCH:
    case EXIT_EPT_VIOLATION: /* decoded by vmx_decode() itself */
    case EXIT_EXTERNAL_INTERRUPT:
    case EXIT_IO_SMI:
    case EXIT_OTHER_SMI:
    case EXIT_INTERRUPT_WINDOW:
    case EXIT_HLT:
    case EXIT_INVLPG:
    case EXIT_RDPMC:
    case EXIT_RDTSC:
    case EXIT_RSM:
    case EXIT_MOV_DR:
    case EXIT_ENTRY_FAILURE_GUEST_STATE:
    case EXIT_ENTRY_FAILURE_MSR_LOADING:
    case EXIT_MONITOR_TRAP_FLAG:
    case EXIT_MONITOR:
    case EXIT_PAUSE:
    case EXIT_ENTRY_FAILURE_MACHINE_CHECK:
    case EXIT_TPR_BELOW_THRESHOLD:
    case EXIT_APIC_ACCESS:
    case EXIT_VIRTUALIZED_EOI:
    case EXIT_GDTR_IDTR_ACCESS:
    case EXIT_LDTR_TR_ACCESS:
    case EXIT_EPT_MISCONFIGURATION:
    case EXIT_RDTSCP:
    case EXIT_WBINVD:
    case EXIT_APIC_WRITE:
    case EXIT_RDRAND:
    case EXIT_INVPCID:
    case EXIT_ENCLS:
    case EXIT_RDSEED:
    case EXIT_PAGE_MODIFICATION_LOG_FULL:
    case EXIT_XSAVES:
    case EXIT_XRSTORS:
    case EXIT_PCONFIG:
    case EXIT_SPP_EVENT:
    case EXIT_UMWAIT:
    case EXIT_TPAUSE:
    case EXIT_LOADIWKEY:
    case EXIT_ENCLV:
    case EXIT_ENQCMD_PASID_FAILURE:
    case EXIT_ENQCMDS_PASID_FAILURE:
    case EXIT_BUS_LOCK:
    case EXIT_NOTIFY:
        return VM_EXIT_UNEXPECTED; /* no control asks for these */
    }
    return VM_EXIT_UNEXPECTED; /* a number that the SDM doesn't have */
}

void vmx_decode(uint32_t reason, const struct guest_regs *regs, struct vm_exit *out)
{
    *out = (struct vm_exit){.reason = reason, .qualification = vmread_natural(VMCS_EXIT_QUALIFICATION)};
    if (reason & EXIT_REASON_ENTRY_FAILURE)
        out->kind = VM_EXIT_ENTRY_FAILED;
    else if ((reason & EXIT_REASON_BASIC) == EXIT_EXCEPTION_OR_NMI)
        decode_exception(out);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_NMI_WINDOW)
        decode_nmi_window(out);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_EPT_VIOLATION)
        vmx_decode_violation(reason, out);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_IO_INSTRUCTION)
        decode_port(out);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_TASK_SWITCH)
        decode_task_switch(out);
    else if ((reason & EXIT_REASON_BASIC) == EXIT_CR_ACCESS)
        out->kind = decode_cr(regs, out) ? VM_EXIT_CR_WRITE : VM_EXIT_UNEXPECTED;
    else if ((reason & EXIT_REASON_BASIC) == EXIT_SIPI) {
        out->kind = VM_EXIT_STARTUP;
        out->startup_vector = (uint8_t)out->qualification;
    } else
        out->kind = plain_kind(reason & EXIT_REASON_BASIC);
}
