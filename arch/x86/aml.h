/* The one thing that Plinth reads out of a DSDT's AML. Pure. */
#pragma once

#include "lib/compiler.h"

/*
 * What the package _S5 says is to be written to SLP_TYP of the two PM1 control registers for soft off (ACPI 6.5,
 * 7.4.2.6). It is looked for by its bytes, without interpreting what is around it. False: there is none that is simple.
 */
must_check bool aml_find_soft_off(const uint8_t *aml, size_t size, uint8_t types[2]);
