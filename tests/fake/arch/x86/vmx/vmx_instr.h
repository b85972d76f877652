/* In the place of arch/x86/vmx/vmx_instr.h when code is built for the host: the VMCS of the fake CPU (fake.h). */
#pragma once

#include "lib/compiler.h"

uint64_t vmread_raw(uint64_t encoding);
bool vmread_safe(uint64_t encoding, uint64_t *value);
noreturn void vmwrite_failed(uint64_t encoding, uint64_t value);
void vmwrite_raw(uint64_t encoding, uint64_t value);
void vmwrite_sure(uint64_t encoding, uint64_t value);
must_check bool vmxon(uint64_t physical);
must_check bool vmclear(uint64_t physical);
must_check bool vmptrld(uint64_t physical);
void vmxoff(void);

enum { INVEPT_SINGLE_CONTEXT = 1 };
void invept(uint64_t type, uint64_t pointer);
enum { INVVPID_SINGLE_CONTEXT = 1 };
void invvpid(uint64_t type, uint16_t vpid);
