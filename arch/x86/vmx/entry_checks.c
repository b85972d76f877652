#include "arch/x86/vmx/entry_checks.h"

#include "arch/x86/vmx/entry_expect.h"
#include "lib/format.h"

static const struct {
    uint16_t encoding;
    char name[30];
} fields[] = {
#define ANY_FIELD(width, area, encoding, name) {encoding, #name},
#include "arch/x86/vmx/vmcs_fields.def"
};

const char *vmcs_field_name(enum vmcs_index field)
{
    return fields[field].name;
}

uint16_t vmcs_field_encoding(enum vmcs_index field)
{
    return fields[field].encoding;
}

void entry_expect(struct entry_checker *c, enum vmcs_index field, bool holds, const char *rule)
{
    if (holds)
        return;
    if (c->count < c->max)
        c->findings[c->count] = (struct entry_finding){field, rule, c->section};
    c->count++;
}

unsigned entry_checks(const struct entry_image *image, struct entry_finding *findings, unsigned max)
{
    struct entry_checker checker = {.image = image, .findings = findings, .max = max};

    entry_check_execution_controls(&checker);
    entry_check_apic_controls(&checker);
    entry_check_exit_controls(&checker);
    entry_check_entry_controls(&checker);
    entry_check_host(&checker);
    entry_check_guest_registers(&checker);
    entry_check_guest_segments(&checker);
    entry_check_guest_activity(&checker);
    return checker.count;
}

void entry_finding_text(const struct entry_image *image, const struct entry_finding *finding, char *text)
{
    format_text(text, ENTRY_FINDING_MAX, "%s = %lx: %s (SDM vol. 3, %s)", vmcs_field_name(finding->field),
                image->value[finding->field], finding->rule, finding->section);
}
