/*
 * Reads what Plinth tells its guest by CPUID (docs/guest-interface.md): for programs in the guest, any user's. Needs
 * nothing of the rest of the tree.
 */
#pragma once

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LEAF_SIGNATURE         0x40000000u
#define LEAF_INTERFACE         0x40000001u
#define LEAF_EXITS             0x40010000u
#define LEAF_BUCKETS           0x40020000u
#define ALL_CPUS               0xffffffffu
#define CPUID_1_ECX_HYPERVISOR (1u << 31)

enum { FEATURE_COUNTS = 1 << 0, FEATURE_HISTOGRAM = 1 << 1 }; /* of LEAF_INTERFACE, EBX */
enum { REASONS = 86, BUCKETS = 32 };

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

struct exit_counter {
    uint64_t exits, ticks;
};

static uint64_t cpuids; /* executed so far: each is an exit */

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;

    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    cpuids++;
    return r;
}

static inline bool has_hypervisor(void)
{
    return cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR;
}

static inline void read_signature(char signature[13])
{
    struct cpuid_result r = cpuid(LEAF_SIGNATURE, 0);

    memcpy(signature, &r.ebx, 4);
    memcpy(signature + 4, &r.ecx, 4);
    memcpy(signature + 8, &r.edx, 4);
    signature[12] = '\0';
}

static inline bool is_plinth(void)
{
    char signature[13];

    if (!has_hypervisor())
        return false;
    read_signature(signature);
    return strcmp(signature, "PlinthPlinth") == 0;
}

static inline struct exit_counter read_counter(uint32_t reason, uint32_t cpu)
{
    struct cpuid_result r = cpuid(LEAF_EXITS + reason, cpu);

    return (struct exit_counter){
        .exits = (uint64_t)r.ebx << 32 | r.eax,
        .ticks = (uint64_t)r.edx << 32 | r.ecx,
    };
}

static inline void read_buckets(uint32_t reason, uint32_t cpu, uint64_t buckets[BUCKETS])
{
    for (uint32_t i = 0; i < BUCKETS; i += 2) {
        struct cpuid_result r = cpuid(LEAF_BUCKETS + reason * BUCKETS / 2 + i / 2, cpu);

        buckets[i] = (uint64_t)r.ebx << 32 | r.eax;
        buckets[i + 1] = (uint64_t)r.edx << 32 | r.ecx;
    }
}
