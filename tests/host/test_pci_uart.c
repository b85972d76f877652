/* arch/x86/pci_uart.c: the first base address of a serial card, and what else may be at the place. */
#include "tests/host/support.h"

#include "arch/x86/pci_uart.h"

static const struct pci_address place = {0x03, 0x1f, 2};
static struct pci_uart found;
static struct error error;

/* QEMU's pci-serial, with these base addresses. */
static bool decode(uint32_t bar0, uint32_t bar1, uint32_t bar2, uint32_t bar5)
{
    const uint32_t header[PCI_HEADER_WORDS] = {0x00021b36, 0x00000003, 0x07000201, 0, bar0, bar1, bar2, 0, 0, bar5};

    return pci_uart_decode(place, header, &found, &error);
}

static void the_first_address_is_taken(void **state)
{
    (void)state;
    assert_true(decode(0xc001, 0, 0, 0));
    assert_int_equal(found.port, 0xc000);
    assert_int_equal(found.memory, 0);
    assert_true(decode(0, 0xfeb00008, 0xc001, 0));
    assert_int_equal(found.port, 0);
    assert_int_equal(found.memory, 0xfeb00000);
    assert_true(decode(1, 0, 0, 0x3001)); /* I/O, but nowhere */
    assert_int_equal(found.port, 0x3000);
}

static void addresses_of_64_bits(void **state)
{
    (void)state;
    assert_true(decode(0x80000004, 0x12, 0xc001, 0));
    assert_int_equal(found.memory, UINT64_C(0x1280000000));
    assert_true(decode(4, 0, 0xc001, 0));
    assert_int_equal(found.port, 0xc000);
    assert_true(decode(0, 0, 0, 0x80000004)); /* the last one has no upper half: what follows is no address */
    assert_int_equal(found.memory, 0x80000000);
}

static void what_is_there_is_named(void **state)
{
    uint32_t header[PCI_HEADER_WORDS] = {UINT32_MAX};

    (void)state;
    assert_false(pci_uart_decode(place, header, &found, &error));
    assert_contains(error.text, "console=pci,03:1f.2 is ignored: there is no such PCI function");
    header[0] = 0x100e8086;
    header[2] = 0x02000003;
    assert_false(pci_uart_decode(place, header, &found, &error));
    assert_contains(error.text, "8086:100e there is of class 020000, no serial port");
    header[2] = 0x07000201;
    header[3] = 0x00810000; /* a bridge of several functions */
    assert_false(pci_uart_decode(place, header, &found, &error));
    assert_contains(error.text, "no serial port");
    assert_false(decode(0, 0, 0, 0));
    assert_contains(error.text, "has given 1b36:0002 no address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_address_is_taken),
                                       cmocka_unit_test(addresses_of_64_bits),
                                       cmocka_unit_test(what_is_there_is_named)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
