/* Trace of exits, trace=on: the backend's side. Root mode, the CPU itself. */
#pragma once

#include "arch/x86/virt.h"

struct vcpu;

/* Boot CPU, once: what the option asks for. */
void vmx_trace_init(void);
/* Pages of the pool that one CPU takes. */
uint32_t vmx_trace_pages(void);
/* The exit entry that traces, or NULL if nothing is to be traced. */
const char *vmx_trace_entry(void);
/* Each CPU, before its first entry. */
must_check bool vmx_trace_start_cpu(struct vcpu *vcpu, struct error *error);
