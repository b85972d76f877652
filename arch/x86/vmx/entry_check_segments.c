/* Entry checks of the guest's segment registers (SDM vol. 3, 26.3.1.2). A failure is exit reason 33. */
#include "arch/x86/vmx/entry_expect.h"

/* 24.4.1, table 24-2 "Format of Access Rights" */
enum {
    RIGHTS_TYPE = 0xf,
    RIGHTS_S = BIT(4),
    RIGHTS_DPL_SHIFT = 5,
    RIGHTS_P = BIT(7),
    RIGHTS_LONG = BIT(13),
    RIGHTS_DB = BIT(14),
    RIGHTS_G = BIT(15),
    RIGHTS_UNUSABLE = BIT(16),
};
enum { TYPE_ACCESSED = 1, TYPE_READABLE = 2, TYPE_CODE = 8, TYPE_CONFORMING_CODE = 12 };
enum { TYPE_DATA = 3, TYPE_DATA_DOWN = 7, TYPE_LDT = 2, TYPE_BUSY_TSS16 = 3, TYPE_BUSY_TSS = 11 };
enum { RIGHTS_VIRTUAL_8086 = 0xf3, LIMIT_VIRTUAL_8086 = 0xffff, SELECTOR_TI = 4, SELECTOR_RPL = 3 };

/* Fields of the eight segments follow each other in this order, in the list as in the encodings. */
enum segment { ES, CS, SS, DS, FS, GS, LDTR, TR };

struct segment_fields {
    enum vmcs_index selector_field, base_field, limit_field, rights_field;
    uint64_t selector, base, limit, rights;
    unsigned type, dpl;
    bool usable;
};

static struct segment_fields segment_of(const struct entry_checker *c, enum segment i)
{
    struct segment_fields s = {
        .selector_field = INDEX_GUEST_ES_SELECTOR + i,
        .base_field = INDEX_GUEST_ES_BASE + i,
        .limit_field = INDEX_GUEST_ES_LIMIT + i,
        .rights_field = INDEX_GUEST_ES_ACCESS_RIGHTS + i,
    };

    s.selector = entry_get(c, s.selector_field);
    s.base = entry_get(c, s.base_field);
    s.limit = entry_get(c, s.limit_field);
    s.rights = entry_get(c, s.rights_field);
    s.type = s.rights & RIGHTS_TYPE;
    s.dpl = s.rights >> RIGHTS_DPL_SHIFT & 3;
    s.usable = i == CS || i == TR || !(s.rights & RIGHTS_UNUSABLE);
    return s;
}

static bool is_unrestricted(const struct entry_checker *c)
{
    return entry_secondary(c, SECONDARY_UNRESTRICTED_GUEST);
}

static void check_virtual_8086(struct entry_checker *c, const struct segment_fields *s)
{
    entry_expect(c, s->base_field, s->base == s->selector << 4,
                 "in virtual-8086 mode the base must be the selector * 16");
    entry_expect(c, s->limit_field, s->limit == LIMIT_VIRTUAL_8086, "in virtual-8086 mode the limit must be ffff");
    entry_expect(c, s->rights_field, s->rights == RIGHTS_VIRTUAL_8086,
                 "in virtual-8086 mode the access rights must be f3");
}

/* What holds for every usable segment, also LDTR and TR */
static void check_common(struct entry_checker *c, const struct segment_fields *s)
{
    const uint32_t low = 0xfff, high = 0xfff00000, reserved = 0xfffe0f00;

    entry_expect(c, s->rights_field, s->rights & RIGHTS_P, "P (bit 7) must be 1");
    entry_expect(c, s->rights_field, !(s->rights & reserved), "bits 31:17 and 11:8 must be 0");
    entry_expect(c, s->rights_field, (s->limit & low) == low || !(s->rights & RIGHTS_G),
                 "G (bit 15) must be 0 if a bit of limit 11:0 is 0");
    entry_expect(c, s->rights_field, !(s->limit & high) || s->rights & RIGHTS_G,
                 "G (bit 15) must be 1 if a bit of limit 31:20 is 1");
}

static bool code_dpl_valid(unsigned type, unsigned dpl, unsigned cpl)
{
    if (type == TYPE_DATA)
        return dpl == 0;
    return (type & TYPE_CONFORMING_CODE) == TYPE_CONFORMING_CODE ? dpl <= cpl : dpl == cpl;
}

static void check_code(struct entry_checker *c)
{
    struct segment_fields cs = segment_of(c, CS), ss = segment_of(c, SS);
    bool accessed_code = (cs.type & (TYPE_CODE | TYPE_ACCESSED)) == (TYPE_CODE | TYPE_ACCESSED);

    entry_expect(c, cs.rights_field, accessed_code || (is_unrestricted(c) && cs.type == TYPE_DATA),
                 "the type must be accessed code, or 3 with \"unrestricted guest\"");
    entry_expect(c, cs.rights_field, cs.rights & RIGHTS_S, "S (bit 4) must be 1");
    entry_expect(c, cs.rights_field, code_dpl_valid(cs.type, cs.dpl, ss.dpl),
                 "CS.DPL must be SS.DPL, at most that if conforming, 0 if the type is 3");
    entry_expect(c, cs.rights_field,
                 !entry_entry(c, ENTRY_IA32E_MODE_GUEST) || !(cs.rights & RIGHTS_LONG) || !(cs.rights & RIGHTS_DB),
                 "D/B (bit 14) must be 0 if L (bit 13) is 1 in long mode");
    check_common(c, &cs);
}

static void check_stack_dpl(struct entry_checker *c, const struct segment_fields *cs, const struct segment_fields *ss)
{
    entry_expect(c, ss->rights_field, is_unrestricted(c) || ss->dpl == (ss->selector & SELECTOR_RPL),
                 "SS.DPL must be the selector's RPL");
    entry_expect(c, ss->rights_field, (cs->type != TYPE_DATA && entry_get(c, INDEX_GUEST_CR0) & CR0_PE) || ss->dpl == 0,
                 "SS.DPL must be 0 in real mode and if the type of CS is 3");
    entry_expect(c, ss->selector_field, is_unrestricted(c) || !((ss->selector ^ cs->selector) & SELECTOR_RPL),
                 "the RPL of SS must be that of CS");
}

static void check_stack(struct entry_checker *c)
{
    struct segment_fields cs = segment_of(c, CS), ss = segment_of(c, SS);

    check_stack_dpl(c, &cs, &ss);
    if (!ss.usable)
        return;
    entry_expect(c, ss.rights_field, ss.type == TYPE_DATA || ss.type == TYPE_DATA_DOWN,
                 "the type must be 3 or 7, accessed read/write data");
    entry_expect(c, ss.rights_field, ss.rights & RIGHTS_S, "S (bit 4) must be 1");
    check_common(c, &ss);
}

static void check_data(struct entry_checker *c, enum segment i)
{
    struct segment_fields s = segment_of(c, i);

    if (!s.usable)
        return;
    entry_expect(c, s.rights_field, s.type & TYPE_ACCESSED && (!(s.type & TYPE_CODE) || s.type & TYPE_READABLE),
                 "the type must be accessed, and readable if it is code");
    entry_expect(c, s.rights_field, s.rights & RIGHTS_S, "S (bit 4) must be 1");
    entry_expect(c, s.rights_field,
                 is_unrestricted(c) || (s.type & TYPE_CONFORMING_CODE) == TYPE_CONFORMING_CODE ||
                     s.dpl >= (s.selector & SELECTOR_RPL),
                 "DPL must not be below the selector's RPL");
    check_common(c, &s);
}

static void check_ldtr(struct entry_checker *c)
{
    struct segment_fields s = segment_of(c, LDTR);

    if (!s.usable)
        return;
    entry_expect(c, s.selector_field, !(s.selector & SELECTOR_TI), "TI (bit 2) must be 0");
    entry_expect_canonical(c, s.base_field);
    entry_expect(c, s.rights_field, s.type == TYPE_LDT, "the type must be 2, LDT");
    entry_expect(c, s.rights_field, !(s.rights & RIGHTS_S), "S (bit 4) must be 0");
    check_common(c, &s);
}

static void check_tr(struct entry_checker *c)
{
    struct segment_fields s = segment_of(c, TR);

    entry_expect(c, s.selector_field, !(s.selector & SELECTOR_TI), "TI (bit 2) must be 0");
    entry_expect_canonical(c, s.base_field);
    entry_expect(c, s.rights_field,
                 s.type == TYPE_BUSY_TSS || (s.type == TYPE_BUSY_TSS16 && !entry_entry(c, ENTRY_IA32E_MODE_GUEST)),
                 "the type must be 11, busy TSS, or outside long mode 3, busy 16-bit TSS");
    entry_expect(c, s.rights_field, !(s.rights & RIGHTS_S), "S (bit 4) must be 0");
    entry_expect(c, s.rights_field, !(s.rights & RIGHTS_UNUSABLE), "TR must be usable (bit 16 must be 0)");
    check_common(c, &s);
}

static void check_bases(struct entry_checker *c)
{
    entry_expect_canonical(c, INDEX_GUEST_FS_BASE);
    entry_expect_canonical(c, INDEX_GUEST_GS_BASE);
    for (enum segment i = ES; i <= DS; i++) {
        struct segment_fields s = segment_of(c, i);

        entry_expect(c, s.base_field, !s.usable || !(s.base >> 32), "bits 63:32 must be 0");
    }
}

void entry_check_guest_segments(struct entry_checker *c)
{
    c->section = "26.3.1.2";
    if (entry_get(c, INDEX_GUEST_RFLAGS) & RFLAGS_VM) {
        for (enum segment i = ES; i <= GS; i++) {
            struct segment_fields s = segment_of(c, i);

            check_virtual_8086(c, &s);
        }
    } else {
        check_code(c);
        check_stack(c);
        check_data(c, ES);
        for (enum segment i = DS; i <= GS; i++)
            check_data(c, i);
    }
    check_bases(c);
    check_ldtr(c);
    check_tr(c);
}
